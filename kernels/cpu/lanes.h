// Between arrays of structures, as the inputs are laid out, and one SIMD lane per Gaussian.
#pragma once

#include "projection.h"
#include "rasterizer.h"
#include "vector.h"

namespace omg::cpu::OMG_SIMD {

// Column `column` of the rows `ids` of a [*, stride] array, in lanes 0 ... count - 1; zero in the others.
OMG_VECTOR_FN Float load_rows(const float* array, int64_t stride, int64_t column, const int32_t* ids, int count) {
  alignas(64) float lanes[kLanes] = {};
  for (int i = 0; i < count; ++i) lanes[i] = array[ids[i] * stride + column];
  return load(lanes);
}

OMG_VECTOR_FN Gaussian<Float> load_gaussians(const RasterizeInputs& in, const int32_t* ids, int count) {
  Gaussian<Float> g;
  for (int k = 0; k < 3; ++k) g.mean[k] = load_rows(in.means, 3, k, ids, count);
  for (int k = 0; k < 4; ++k) g.quat[k] = load_rows(in.quats, 4, k, ids, count);
  for (int k = 0; k < 3; ++k) g.scale[k] = load_rows(in.scales, 3, k, ids, count);
  return g;
}

// The lanes whose bits are set in `lanes` to their rows of the array.
OMG_VECTOR_FN void store_rows(float* array, int64_t stride, int64_t column, const int32_t* ids, uint32_t lanes, Float a) {
  alignas(64) float values[kLanes];
  store(values, a);
  for (; lanes != 0; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    array[ids[lane] * stride + column] = values[lane];
  }
}

}  // namespace omg::cpu::OMG_SIMD
