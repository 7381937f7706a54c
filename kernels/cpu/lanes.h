// Between arrays of structures, as the inputs are laid out, and one SIMD lane per Gaussian.
#pragma once

#include "projection.h"
#include "rasterizer.h"
#include "vector.h"

namespace omg::cpu::OMG_SIMD {

// Column `column` of `count` rows of a [*, stride] array from row `first`, in lanes 0 ... count - 1; zero in the
// others.
OMG_VECTOR_FN Float load_rows(const float* array, int64_t stride, int64_t column, int64_t first, int count) {
  alignas(64) float lanes[kLanes] = {};
  const float* p = array + first * stride + column;
  for (int i = 0; i < count; ++i) lanes[i] = p[i * stride];
  return load(lanes);
}

OMG_VECTOR_FN void store_rows(float* array, int64_t stride, int64_t column, int64_t first, int count, Float a) {
  alignas(64) float lanes[kLanes];
  store(lanes, a);
  float* p = array + first * stride + column;
  for (int i = 0; i < count; ++i) p[i * stride] = lanes[i];
}

OMG_VECTOR_FN Gaussian<Float> load_gaussians(const RasterizeInputs& in, int64_t first, int count) {
  Gaussian<Float> g;
  for (int k = 0; k < 3; ++k) g.mean[k] = load_rows(in.means, 3, k, first, count);
  for (int k = 0; k < 4; ++k) g.quat[k] = load_rows(in.quats, 4, k, first, count);
  for (int k = 0; k < 3; ++k) g.scale[k] = load_rows(in.scales, 3, k, first, count);
  return g;
}

}  // namespace omg::cpu::OMG_SIMD
