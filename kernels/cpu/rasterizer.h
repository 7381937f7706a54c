// The CPU rasterizer's entry points, one pair per instruction set. It knows neither Python nor XLA.
#pragma once

#include <cstdint>

#include "arena.h"
#include "parallel.h"

namespace omg::cpu {

// Everything that one image is made from. All arrays are row-major float32.
struct RasterizeInputs {
  int64_t num_gaussians, num_channels;
  int width, height;
  const float* means;            // [N, 3]
  const float* quats;            // [N, 4]
  const float* scales;           // [N, 3]
  const float* opacities;        // [N]
  const float* features;         // [N, C]
  const float* world_to_camera;  // [4, 4]
  const float* intrinsics;       // [3, 3]
  float near, blur;
};

struct RasterizeOutputs {
  float* features;       // [H, W, C]
  float* alpha;          // [H, W]
  float* depth;          // [H, W]
  float* transmittance;  // [H, W]: 1 - alpha, with the digits that alpha has lost; the backward pass starts from it
  int32_t* last;         // [H, W]: 1 + position in its tile's list of the last splat that a pixel received; 0 for none
  int32_t* stats;        // as in scene.h
};

struct RasterizeCotangents {
  const float* transmittance;  // [H, W], [H, W]: the forward pass's own outputs
  const int32_t* last;
  const float* features;  // [H, W, C]
  const float* alpha;     // [H, W]
  const float* depth;     // [H, W]
};

struct RasterizeGradients {
  float* means;  // shapes as the inputs'
  float* quats;
  float* scales;
  float* opacities;
  float* features;
  float* world_to_camera;
  float* intrinsics;
};

// Each returns false if the image needs more than 2^31 - 1 (Gaussian, tile) instances; then nothing is written.
#define OMG_DECLARE_RASTERIZER(LEVEL)                                                                   \
  namespace LEVEL {                                                                                     \
  bool rasterize_forward(const RasterizeInputs& in, const RasterizeOutputs& out, const Arena& arena,    \
                         const Parallel& parallel);                                                     \
  bool rasterize_backward(const RasterizeInputs& in, const RasterizeCotangents& cotangents,             \
                          const RasterizeGradients& out, const Arena& arena, const Parallel& parallel); \
  }
OMG_DECLARE_RASTERIZER(baseline)
OMG_DECLARE_RASTERIZER(avx2)
OMG_DECLARE_RASTERIZER(avx512)
#undef OMG_DECLARE_RASTERIZER

}  // namespace omg::cpu
