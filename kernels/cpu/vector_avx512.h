// vector.h for AVX-512: 16 lanes.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace omg::cpu::OMG_SIMD {

#define OMG_LANE_FN inline __attribute__((always_inline))

constexpr int kLanes = 16;

struct Mask {
  __mmask16 v;
  friend OMG_LANE_FN Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.v & b.v)}; }
  friend OMG_LANE_FN Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.v | b.v)}; }
  friend OMG_LANE_FN Mask operator~(Mask a) { return {static_cast<__mmask16>(~a.v)}; }
};

struct Int {
  __m512i v;
  Int() = default;
  OMG_LANE_FN Int(int s) : v(_mm512_set1_epi32(s)) {}
  OMG_LANE_FN explicit Int(__m512i raw) : v(raw) {}
  friend OMG_LANE_FN Int operator+(Int a, Int b) { return Int(_mm512_add_epi32(a.v, b.v)); }
  friend OMG_LANE_FN Int operator-(Int a, Int b) { return Int(_mm512_sub_epi32(a.v, b.v)); }
  friend OMG_LANE_FN Int operator<<(Int a, int n) { return Int(_mm512_slli_epi32(a.v, n)); }
  friend OMG_LANE_FN Int operator>>(Int a, int n) { return Int(_mm512_srai_epi32(a.v, n)); }
  friend OMG_LANE_FN Mask operator<(Int a, Int b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
};

struct Float {
  __m512 v;
  Float() = default;
  OMG_LANE_FN Float(float s) : v(_mm512_set1_ps(s)) {}
  OMG_LANE_FN explicit Float(__m512 raw) : v(raw) {}
  friend OMG_LANE_FN Float operator+(Float a, Float b) { return Float(_mm512_add_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator-(Float a, Float b) { return Float(_mm512_sub_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator*(Float a, Float b) { return Float(_mm512_mul_ps(a.v, b.v)); }
  friend OMG_LANE_FN Float operator/(Float a, Float b) { return Float(_mm512_div_ps(a.v, b.v)); }
  friend OMG_LANE_FN Mask operator<(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
  friend OMG_LANE_FN Mask operator<=(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
  friend OMG_LANE_FN Mask operator>(Float a, Float b) { return b < a; }
  friend OMG_LANE_FN Mask operator>=(Float a, Float b) { return b <= a; }
  friend OMG_LANE_FN Mask operator==(Float a, Float b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
};

OMG_LANE_FN Float load(const float* p) { return Float(_mm512_loadu_ps(p)); }
OMG_LANE_FN void store(float* p, Float a) { _mm512_storeu_ps(p, a.v); }
OMG_LANE_FN void store_first(float* p, Float a, int count) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1u), a.v);
}
OMG_LANE_FN Int load(const int32_t* p) { return Int(_mm512_loadu_si512(p)); }
OMG_LANE_FN void store(int32_t* p, Int a) { _mm512_storeu_si512(p, a.v); }
OMG_LANE_FN Float fma(Float a, Float b, Float c) { return Float(_mm512_fmadd_ps(a.v, b.v, c.v)); }
OMG_LANE_FN Float minus_product(Float a, Float b, Float c) {
  return Float(_mm512_fnmadd_ps(b.v, c.v, a.v));
}  // a - b * c
OMG_LANE_FN Float minimum(Float a, Float b) { return Float(_mm512_min_ps(a.v, b.v)); }
OMG_LANE_FN Float maximum(Float a, Float b) { return Float(_mm512_max_ps(a.v, b.v)); }
OMG_LANE_FN Float square_root(Float a) { return Float(_mm512_sqrt_ps(a.v)); }
OMG_LANE_FN Float select(Mask m, Float yes, Float no) { return Float(_mm512_mask_blend_ps(m.v, no.v, yes.v)); }
OMG_LANE_FN Int select(Mask m, Int yes, Int no) { return Int(_mm512_mask_blend_epi32(m.v, no.v, yes.v)); }
OMG_LANE_FN Int as_int(Float a) { return Int(_mm512_castps_si512(a.v)); }
OMG_LANE_FN Float as_float(Int a) { return Float(_mm512_castsi512_ps(a.v)); }
OMG_LANE_FN Float to_float(Int a) { return Float(_mm512_cvtepi32_ps(a.v)); }
OMG_LANE_FN uint32_t bits(Mask m) { return m.v; }
OMG_LANE_FN Mask from_bits(uint32_t b) { return {static_cast<__mmask16>(b)}; }

// The 16 sums over lanes of 16 vectors, as one vector: a butterfly of 15 additions, always in the same order.
OMG_LANE_FN Float sum_each(const Float* a) {
  __m512 quarter[4];
  for (int i = 0; i < 4; ++i) {
    const __m512 p =
        _mm512_add_ps(_mm512_shuffle_f32x4(a[i].v, a[i + 4].v, 0x44), _mm512_shuffle_f32x4(a[i].v, a[i + 4].v, 0xEE));
    const __m512 q = _mm512_add_ps(_mm512_shuffle_f32x4(a[i + 8].v, a[i + 12].v, 0x44),
                                   _mm512_shuffle_f32x4(a[i + 8].v, a[i + 12].v, 0xEE));
    quarter[i] = _mm512_add_ps(_mm512_shuffle_f32x4(p, q, 0x88), _mm512_shuffle_f32x4(p, q, 0xDD));
  }
  const __m512 even =
      _mm512_add_ps(_mm512_unpacklo_ps(quarter[0], quarter[1]), _mm512_unpackhi_ps(quarter[0], quarter[1]));
  const __m512 odd =
      _mm512_add_ps(_mm512_unpacklo_ps(quarter[2], quarter[3]), _mm512_unpackhi_ps(quarter[2], quarter[3]));
  return Float(_mm512_add_ps(_mm512_shuffle_ps(even, odd, 0x44), _mm512_shuffle_ps(even, odd, 0xEE)));
}

}  // namespace omg::cpu::OMG_SIMD
