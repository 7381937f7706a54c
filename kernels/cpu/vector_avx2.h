// vector.h for AVX2 with FMA: 8 lanes.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace omg::cpu::OMG_SIMD {

#define OMG_LANE_FN inline __attribute__((always_inline))

constexpr int kLanes = 8;

struct Mask {
  __m256 v;  // all bits of a lane, or none
  friend OMG_LANE_FN Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.v, b.v)}; }
  friend OMG_LANE_FN Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.v, b.v)}; }
  friend OMG_LANE_FN Mask operator~(Mask a) { return {_mm256_xor_ps(a.v, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))}; }
};

struct Int {
  __m256i v;
  Int() = default;
  OMG_LANE_FN Int(int s) : v(_mm256_set1_epi32(s)) {}
  OMG_LANE_FN explicit Int(__m256i raw) : v(raw) {}
  friend OMG_LANE_FN Int operator+(Int a, Int b) { return Int(_mm256_add_epi32(a.v, b.v)); }
  friend OMG_LANE_FN Int operator-(Int a, Int b) { return Int(_mm256_sub_epi32(a.v, b.v)); }
  friend OMG_LANE_FN Int operator<<(Int a, int n) { return Int(_mm256_slli_epi32(a.v, n)); }
  friend OMG_LANE_FN Int operator>>(Int a, int n) { return Int(_mm256_srai_epi32(a.v, n)); }
  friend OMG_LANE_FN Mask operator<(Int a, Int b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.v, a.v))}; }
};

struct Float {
  __m256 v;
  Float() = default;
  OMG_LANE_FN Float(float s) : v(_mm256_set1_ps(s)) {}
  OMG_LANE_FN explicit Float(__m256 raw) : v(raw) {}
  friend OMG_LANE_FN Float operator+(Float a, Float b) { return Float(_mm256_add_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator-(Float a, Float b) { return Float(_mm256_sub_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator*(Float a, Float b) { return Float(_mm256_mul_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator/(Float a, Float b) { return Float(_mm256_div_ps(a.v, b.v)); }
  friend OMG_LANE_FN Mask operator<(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
  friend OMG_LANE_FN Mask operator<=(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
  friend OMG_LANE_FN Mask operator>(Float a, Float b) { return b < a; }
  friend OMG_LANE_FN Mask operator>=(Float a, Float b) { return b <= a; }
  friend OMG_LANE_FN Mask operator==(Float a, Float b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
};

OMG_LANE_FN Float load(const float* p) { return Float(_mm256_loadu_ps(p)); }
OMG_LANE_FN void store(float* p, Float a) { _mm256_storeu_ps(p, a.v); }
OMG_LANE_FN void store_first(float* p, Float a, int count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane), a.v);
}
OMG_LANE_FN Int load(const int32_t* p) { return Int(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
OMG_LANE_FN void store(int32_t* p, Int a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
OMG_LANE_FN Float fma(Float a, Float b, Float c) { return Float(_mm256_fmadd_ps(a.v, b.v, c.v)); }
OMG_LANE_FN Float minus_product(Float a, Float b, Float c) {
  return Float(_mm256_fnmadd_ps(b.v, c.v, a.v));
}  // a - b * c
OMG_LANE_FN Float minimum(Float a, Float b) { return Float(_mm256_min_ps(a.v, b.v)); }
OMG_LANE_FN Float maximum(Float a, Float b) { return Float(_mm256_max_ps(a.v, b.v)); }
OMG_LANE_FN Float square_root(Float a) { return Float(_mm256_sqrt_ps(a.v)); }
OMG_LANE_FN Float select(Mask m, Float yes, Float no) { return Float(_mm256_blendv_ps(no.v, yes.v, m.v)); }
OMG_LANE_FN Int as_int(Float a) { return Int(_mm256_castps_si256(a.v)); }
OMG_LANE_FN Float as_float(Int a) { return Float(_mm256_castsi256_ps(a.v)); }
OMG_LANE_FN Int select(Mask m, Int yes, Int no) { return as_int(select(m, as_float(yes), as_float(no))); }
OMG_LANE_FN Float to_float(Int a) { return Float(_mm256_cvtepi32_ps(a.v)); }
OMG_LANE_FN uint32_t bits(Mask m) { return static_cast<uint32_t>(_mm256_movemask_ps(m.v)); }
OMG_LANE_FN Mask from_bits(uint32_t b) {
  const __m256i lane_bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return {_mm256_castsi256_ps(
      _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int>(b)), lane_bit), lane_bit))};
}

// The 8 sums over lanes of 8 vectors, as one vector, always in the same order.
OMG_LANE_FN Float sum_each(const Float* a) {
  __m256 half[4];
  for (int i = 0; i < 4; ++i) {
    half[i] = _mm256_add_ps(_mm256_permute2f128_ps(a[i].v, a[i + 4].v, 0x20),
                            _mm256_permute2f128_ps(a[i].v, a[i + 4].v, 0x31));
  }
  const __m256 even = _mm256_add_ps(_mm256_unpacklo_ps(half[0], half[1]), _mm256_unpackhi_ps(half[0], half[1]));
  const __m256 odd = _mm256_add_ps(_mm256_unpacklo_ps(half[2], half[3]), _mm256_unpackhi_ps(half[2], half[3]));
  return Float(_mm256_add_ps(_mm256_shuffle_ps(even, odd, 0x44), _mm256_shuffle_ps(even, odd, 0xEE)));
}

}  // namespace omg::cpu::OMG_SIMD
