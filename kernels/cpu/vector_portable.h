// vector.h for any processor: 4 lanes, through the compiler's vector extension (SSE2 on x86-64, NEON on 64-bit Arm).
#pragma once

#include <cstdint>
#include <cstring>

namespace omg::cpu::OMG_SIMD {

#define OMG_LANE_FN inline __attribute__((always_inline))

constexpr int kLanes = 4;

typedef float RawFloat __attribute__((vector_size(16)));
typedef int32_t RawInt __attribute__((vector_size(16)));
typedef uint32_t RawBits __attribute__((vector_size(16)));

struct Mask {
  RawInt v;  // all bits of a lane, or none
  friend OMG_LANE_FN Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
  friend OMG_LANE_FN Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
  friend OMG_LANE_FN Mask operator~(Mask a) { return {~a.v}; }
};

struct Int {
  RawInt v;
  Int() = default;
  OMG_LANE_FN Int(int s) : v(RawInt{s, s, s, s}) {}
  OMG_LANE_FN explicit Int(RawInt raw) : v(raw) {}
  friend OMG_LANE_FN Int operator+(Int a, Int b) { return Int(a.v + b.v); }
  friend OMG_LANE_FN Int operator-(Int a, Int b) { return Int(a.v - b.v); }
  friend OMG_LANE_FN Int operator<<(Int a, int n) {
    return Int(reinterpret_cast<RawInt>(reinterpret_cast<RawBits>(a.v) << n));
  }
  friend OMG_LANE_FN Int operator>>(Int a, int n) { return Int(a.v >> n); }
  friend OMG_LANE_FN Mask operator<(Int a, Int b) { return {a.v < b.v}; }
};

struct Float {
  RawFloat v;
  Float() = default;
  OMG_LANE_FN Float(float s) : v(RawFloat{s, s, s, s}) {}
  OMG_LANE_FN explicit Float(RawFloat raw) : v(raw) {}
  friend OMG_LANE_FN Float operator+(Float a, Float b) { return Float(a.v + b.v); }
  friend OMG_LANE_FN Float operator-(Float a, Float b) { return Float(a.v - b.v); }
  friend OMG_LANE_FN Float operator*(Float a, Float b) { return Float(a.v * b.v); }
  friend OMG_LANE_FN Float operator/(Float a, Float b) { return Float(a.v / b.v); }
  friend OMG_LANE_FN Mask operator<(Float a, Float b) { return {a.v < b.v}; }
  friend OMG_LANE_FN Mask operator<=(Float a, Float b) { return {a.v <= b.v}; }
  friend OMG_LANE_FN Mask operator>(Float a, Float b) { return {a.v > b.v}; }
  friend OMG_LANE_FN Mask operator>=(Float a, Float b) { return {a.v >= b.v}; }
  friend OMG_LANE_FN Mask operator==(Float a, Float b) { return {a.v == b.v}; }
};

OMG_LANE_FN Float load(const float* p) {
  Float a;
  std::memcpy(&a.v, p, sizeof a.v);
  return a;
}
OMG_LANE_FN void store(float* p, Float a) { std::memcpy(p, &a.v, sizeof a.v); }
OMG_LANE_FN void store_first(float* p, Float a, int count) {
  for (int i = 0; i < count; ++i) p[i] = a.v[i];
}
OMG_LANE_FN Int load(const int32_t* p) {
  Int a;
  std::memcpy(&a.v, p, sizeof a.v);
  return a;
}
OMG_LANE_FN void store(int32_t* p, Int a) { std::memcpy(p, &a.v, sizeof a.v); }
OMG_LANE_FN Float fma(Float a, Float b, Float c) { return a * b + c; }
OMG_LANE_FN Float minus_product(Float a, Float b, Float c) { return a - b * c; }
OMG_LANE_FN Float minimum(Float a, Float b) { return Float(a.v < b.v ? a.v : b.v); }
OMG_LANE_FN Float maximum(Float a, Float b) { return Float(a.v > b.v ? a.v : b.v); }
OMG_LANE_FN Float square_root(Float a) {
  for (int i = 0; i < kLanes; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
OMG_LANE_FN Float select(Mask m, Float yes, Float no) { return Float(m.v ? yes.v : no.v); }
OMG_LANE_FN Int select(Mask m, Int yes, Int no) { return Int(m.v ? yes.v : no.v); }
OMG_LANE_FN Int as_int(Float a) { return Int(reinterpret_cast<RawInt>(a.v)); }
OMG_LANE_FN Float as_float(Int a) { return Float(reinterpret_cast<RawFloat>(a.v)); }
OMG_LANE_FN Float to_float(Int a) { return Float(__builtin_convertvector(a.v, RawFloat)); }
OMG_LANE_FN uint32_t bits(Mask m) {
  const RawInt weighted = m.v & RawInt{1, 2, 4, 8};
  return static_cast<uint32_t>(weighted[0] | weighted[1] | weighted[2] | weighted[3]);
}
OMG_LANE_FN Mask from_bits(uint32_t b) {
  const RawInt lane_bit = {1, 2, 4, 8};
  return {(Int(static_cast<int>(b)).v & lane_bit) != 0};
}

// The 4 sums over lanes of 4 vectors, as one vector, always in the same order.
OMG_LANE_FN Float sum_each(const Float* a) {
  const RawFloat even =
      __builtin_shufflevector(a[0].v, a[1].v, 0, 4, 1, 5) + __builtin_shufflevector(a[0].v, a[1].v, 2, 6, 3, 7);
  const RawFloat odd =
      __builtin_shufflevector(a[2].v, a[3].v, 0, 4, 1, 5) + __builtin_shufflevector(a[2].v, a[3].v, 2, 6, 3, 7);
  return Float(__builtin_shufflevector(even, odd, 0, 1, 4, 5) + __builtin_shufflevector(even, odd, 2, 3, 6, 7));
}

}  // namespace omg::cpu::OMG_SIMD
