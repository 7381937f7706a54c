// What a call of the rasterizer or of the z-buffer is given and what it gives, for a whole batch of views at once. All
// arrays are row-major.
#pragma once

#include "operand.h"

namespace omg {

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

constexpr int kNumStats = 4;

// Results, view after view.
struct Images {
  float* features;       // [H, W, C]
  float* alpha;          // [H, W]
  float* depth;          // [H, W]
  float* transmittance;  // [H, W]: 1 - alpha, with the digits that alpha has lost; the backward pass starts from it
  // [H, W]: where the backward pass starts, 0 for pixels without a splat. 1 + position of the last splat that the pixel
  // received: in its tile's list (CPU), or in the view's order by depth (CUDA).
  int32_t* last;
  // [4]: visible Gaussians, (Gaussian, tile) pairs (at most 2^31 - 1 is told), overflowed pairs, Gaussians that are not
  // finite or are seen by a camera that is not.
  int32_t* stats;
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
  float* world_to_camera;
  float* intrinsics;
};

// A batch of meshes or cameras.
struct MeshScene {
  Batch batch;
  int64_t num_vertices, num_faces;
  int width, height;
  Operand<float> vertices;  // [V, 3] world
  Operand<int32_t> faces;   // [F, 3]
  Operand<float> world_to_camera, intrinsics;
  float near;
};

}  // namespace omg
