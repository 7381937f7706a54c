// Which of the compiled instruction sets to call.
#pragma once

namespace omg::ffi {

enum class SimdLevel { baseline, avx2, avx512 };

// The best level that this processor has, or a lower one if the environment variable OMG_SIMD_LEVEL names it; decided
// once.
SimdLevel active_simd_level();

}  // namespace omg::ffi

// Calls omg::cpu::<level>::FUNCTION(...) of the active level; an expression.
#ifdef OMG_HAVE_X86_LEVELS
#define OMG_AT_SIMD_LEVEL(FUNCTION)                                                                 \
  (::omg::ffi::active_simd_level() == ::omg::ffi::SimdLevel::avx512 ? &::omg::cpu::avx512::FUNCTION \
   : ::omg::ffi::active_simd_level() == ::omg::ffi::SimdLevel::avx2 ? &::omg::cpu::avx2::FUNCTION   \
                                                                    : &::omg::cpu::baseline::FUNCTION)
#else
#define OMG_AT_SIMD_LEVEL(FUNCTION) (&::omg::cpu::baseline::FUNCTION)
#endif
