// SIMD vectors of floats, as wide as the instruction set that this file is compiled for: Float, Int and Mask with
// kLanes lanes each. The three files included below hold what differs; everything that can be said through them is said
// here.
#pragma once

#include <cstdint>

#include "real.h"

#if defined(__AVX512F__)
#include "vector_avx512.h"
#elif defined(__AVX2__)
#include "vector_avx2.h"
#else
#include "vector_portable.h"
#endif

namespace omg::cpu::OMG_SIMD {

#define OMG_VECTOR_FN static inline __attribute__((always_inline, unused))

// The same names for plain floats, which the ones above would otherwise hide.
using omg::maximum;
using omg::minimum;
using omg::select;
using omg::square_root;

OMG_VECTOR_FN Float operator-(Float a) { return Float(0.0f) - a; }
OMG_VECTOR_FN bool any(Mask m) { return bits(m) != 0; }

// The polynomial for 2^f, |f| <= 1/2: relative error 2e-9 (Remez).
OMG_VECTOR_FN Float exp2_polynomial(Float f) {
  Float p = 1.5345812e-4f;
  p = fma(p, f, Float(1.33999312e-3f));
  p = fma(p, f, Float(9.61848896e-3f));
  p = fma(p, f, Float(5.55032878e-2f));
  p = fma(p, f, Float(2.40226469e-1f));
  p = fma(p, f, Float(6.93147206e-1f));
  return fma(p, f, Float(1.0f));
}

// 2^x for x <= 0, relative error below 1e-7; may give 0 below 2^-126.
OMG_VECTOR_FN Float exp2(Float x) {
#if defined(__AVX512F__)
  const __m512 rounded = _mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return Float(_mm512_scalef_ps(exp2_polynomial(x - Float(rounded)).v, rounded));
#else
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits
  x = maximum(x, Float(-126.0f));
  const Float rounded = x + Float(kRound);
  return as_float(as_int(exp2_polynomial(x - (rounded - Float(kRound)))) + (as_int(rounded) << 23));
#endif
}

// Base-2 logarithm of positive normal numbers, absolute error below 1e-6: the mantissa is brought to [sqrt(1/2),
// sqrt(2)), where log(m) = 2 artanh((m - 1) / (m + 1)).
OMG_VECTOR_FN Float log2(Float x) {
  constexpr int kSqrtHalf = 0x3f3504f3;
  const Int offset = as_int(x) - Int(kSqrtHalf);
  const Int exponent = offset >> 23;
  const Float m = as_float(as_int(x) - (exponent << 23));
  const Float s = (m - Float(1.0f)) / (m + Float(1.0f)), s2 = s * s;
  Float p = 0.4121968f;  // 2 log2(e) / 7
  p = fma(p, s2, Float(0.5770780f));
  p = fma(p, s2, Float(0.9617967f));
  p = fma(p, s2, Float(2.8853901f));
  return fma(p, s, to_float(exponent));
}

}  // namespace omg::cpu::OMG_SIMD
