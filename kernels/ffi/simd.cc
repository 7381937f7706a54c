#include "ffi/simd.h"

#include <cstdlib>
#include <cstring>

namespace omg::ffi {
namespace {

SimdLevel best_level() {
#ifdef OMG_HAVE_X86_LEVELS
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (avx2 && avx512) return SimdLevel::avx512;
  if (avx2) return SimdLevel::avx2;
#endif
  return SimdLevel::baseline;
}

SimdLevel choose_level() {
  const SimdLevel best = best_level();
  const char* wanted = std::getenv("OMG_SIMD_LEVEL");
  if (wanted == nullptr) return best;
  if (std::strcmp(wanted, "baseline") == 0) return SimdLevel::baseline;
  if (std::strcmp(wanted, "avx2") == 0 && best >= SimdLevel::avx2) return SimdLevel::avx2;
  return best;
}

}  // namespace

SimdLevel active_simd_level() {
  static const SimdLevel level = choose_level();
  return level;
}

const char* simd_level() {
  switch (active_simd_level()) {
    case SimdLevel::avx512:
      return "avx512";
    case SimdLevel::avx2:
      return "avx2";
    case SimdLevel::baseline:
      return "baseline";
  }
  return "baseline";
}

}  // namespace omg::ffi
