// The CUDA z-buffer's entry points; memory and launches as for the rasterizer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "operand.h"
#include "stream.h"

namespace omg::cuda {

// A batch of meshes or cameras. Faces with a corner outside [0, V) are left out.
struct MeshScene {
  Batch batch;
  int64_t num_vertices, num_faces;
  int width, height;
  Operand<float> vertices;  // [V, 3] world
  Operand<int32_t> faces;   // [F, 3]
  Operand<float> world_to_camera, intrinsics;
  float near;
};

size_t zbuffer_workspace_bytes(const MeshScene& scene);
// depth [H, W]: camera z, +inf where there is no face; face_index [H, W]: -1 where there is none.
Status zbuffer(const MeshScene& scene, float* depth, int32_t* face_index, void* workspace, Stream stream);

}  // namespace omg::cuda
