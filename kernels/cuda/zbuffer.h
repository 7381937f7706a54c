// The CUDA z-buffer's entry points; memory and launches as for the rasterizer.
#pragma once

#include <cstddef>

#include "scene.h"
#include "stream.h"

namespace omg::cuda {

size_t zbuffer_workspace_bytes(const MeshScene& scene);
// depth [H, W]: camera z, +inf where there is no face; face_index [H, W]: -1 where there is none. Faces with a corner
// outside [0, V) are left out.
Status zbuffer(const MeshScene& scene, float* depth, int32_t* face_index, void* workspace, Stream stream);

}  // namespace omg::cuda
