// The CUDA rasterizer's entry points. They know neither Python nor XLA: all memory is the caller's, on the device, and
// everything is only launched, on the caller's stream.
#pragma once

#include <cstddef>
#include <cstdint>

#include "operand.h"
#include "stream.h"

namespace omg::cuda {

// Everything that the views of one batch are made from; they differ in their data alone.
struct Scene {
  Batch batch;
  int64_t num_gaussians, num_channels;
  int width, height;
  Operand<float> means;            // [N, 3]
  Operand<float> quats;            // [N, 4]
  Operand<float> scales;           // [N, 3]
  Operand<float> opacities;        // [N]
  Operand<float> features;         // [N, C]
  Operand<float> world_to_camera;  // [4, 4]
  Operand<float> intrinsics;       // [3, 3]
  float near, blur;
};

// Results, view after view.
struct Images {
  float* features;       // [H, W, C]
  float* alpha;          // [H, W]
  float* depth;          // [H, W]
  float* transmittance;  // [H, W]: 1 - alpha, with the digits that alpha has lost; the backward pass starts from it
  int32_t* last;         // [H, W]: 1 + rank (by depth, in its view) of the last splat that a pixel received; 0 for none
  int32_t* stats;        // [3]: visible Gaussians, (Gaussian, tile) pairs (at most 2^31 - 1 is told), overflowed pairs
};

struct Cotangents {
  Operand<float> transmittance;  // [H, W], [H, W]: the forward pass's own results
  Operand<int32_t> last;
  Operand<float> features;  // [H, W, C]
  Operand<float> alpha;     // [H, W]
  Operand<float> depth;     // [H, W]
};

// Gradients, view after view, shaped as the scene's arrays.
struct Gradients {
  float* means;
  float* quats;
  float* scales;
  float* opacities;
  float* features;
};

// What a scene cannot have on a GPU, in words; null where it fits.
const char* scene_too_large(const Scene& scene);

size_t forward_workspace_bytes(const Scene& scene);
Status rasterize_forward(const Scene& scene, const Images& out, void* workspace, Stream stream);

// deterministic: sums in fixed point, the same bits in every run; else float atomics, whose order varies.
size_t backward_workspace_bytes(const Scene& scene, bool deterministic);
Status rasterize_backward(const Scene& scene, const Cotangents& cotangents, bool deterministic, const Gradients& out,
                          void* workspace, Stream stream);

}  // namespace omg::cuda
