// The emulated kernels as C functions, for the tests to call with numpy's memory. Each returns null, or what went wrong.
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include "cuda/device.h"
#include "cuda/rasterizer.h"
#include "cuda/zbuffer.h"

namespace {

using omg::Operand;

// Sizes of a batch of views, and which arrays they share.
struct Sizes {
  int64_t views, gaussians, channels, height, width;
  int32_t shared_camera;
  float near, blur;
};

template <class T>
Operand<T> per_view(const T* data) {
  return {data, {1}};
}

omg::Scene scene_of(const Sizes& s, const float* const* arrays) {
  omg::Scene scene = {};
  scene.batch = {s.views, 1, {s.views}};
  scene.num_gaussians = s.gaussians, scene.num_channels = s.channels;
  scene.height = static_cast<int>(s.height), scene.width = static_cast<int>(s.width);
  scene.means = per_view(arrays[0]), scene.quats = per_view(arrays[1]), scene.scales = per_view(arrays[2]);
  scene.opacities = per_view(arrays[3]), scene.features = per_view(arrays[4]);
  const int64_t stride = s.shared_camera ? 0 : 1;
  scene.world_to_camera = {arrays[5], {stride}}, scene.intrinsics = {arrays[6], {stride}};
  scene.near = s.near, scene.blur = s.blur;
  return scene;
}

// Runs a launcher with scratch memory of exactly the size that it asked for, holding rubbish; tells what it threw.
template <class Launch>
const char* with_workspace(size_t bytes, Launch launch) {
  static std::string message;
  const std::unique_ptr<char, decltype(&std::free)> memory(
      static_cast<char*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256)), &std::free);
  std::memset(memory.get(), 0x7f, bytes);
  try {
    launch(memory.get());
  } catch (const std::exception& error) {
    message = error.what();
    return message.c_str();
  }
  return nullptr;
}

__global__ void stray_barrier_kernel() {
  if (threadIdx.x < 40) __syncthreads();
}

__global__ void stray_ballot_kernel() {
  if (threadIdx.x % 2 == 0) __ballot_sync(omg::cuda::kAllLanes, 1);
}

__global__ void stray_write_kernel(int* piece, int count) { piece[threadIdx.x < 31 ? 0 : count] = 1; }

}  // namespace

extern "C" {

// outputs: features, alpha, depth, transmittance.
const char* omg_emulated_forward(const Sizes* sizes, const float* const* arrays, float* const* outputs, int32_t* last,
                                 int32_t* stats) {
  const omg::Scene scene = scene_of(*sizes, arrays);
  const omg::Images out = {outputs[0], outputs[1], outputs[2], outputs[3], last, stats};
  return with_workspace(omg::cuda::forward_workspace_bytes(scene),
                        [&](void* memory) { omg::cuda::rasterize_forward(scene, out, memory, 0); });
}

// cotangents: transmittance, features, alpha, depth; gradients: of all arrays, in their order.
const char* omg_emulated_backward(const Sizes* sizes, const float* const* arrays, const float* const* cotangents,
                                  const int32_t* last, int32_t deterministic, float* const* gradients) {
  const omg::Scene scene = scene_of(*sizes, arrays);
  const omg::Cotangents in = {per_view(cotangents[0]), per_view(last), per_view(cotangents[1]),
                                    per_view(cotangents[2]), per_view(cotangents[3])};
  const omg::Gradients out = {gradients[0], gradients[1], gradients[2], gradients[3],
                               gradients[4], gradients[5], gradients[6]};
  return with_workspace(omg::cuda::backward_workspace_bytes(scene, deterministic), [&](void* memory) {
    omg::cuda::rasterize_backward(scene, in, deterministic, out, memory, 0);
  });
}

const char* omg_emulated_zbuffer(int64_t vertices, int64_t faces, int64_t height, int64_t width, float near,
                                 const float* positions, const int32_t* corners, const float* world_to_camera,
                                 const float* intrinsics, float* depth, int32_t* face_index) {
  omg::MeshScene scene = {};
  scene.batch = {1, 0, {}};
  scene.num_vertices = vertices, scene.num_faces = faces;
  scene.height = static_cast<int>(height), scene.width = static_cast<int>(width);
  scene.vertices = per_view(positions), scene.faces = per_view(corners);
  scene.world_to_camera = per_view(world_to_camera), scene.intrinsics = per_view(intrinsics);
  scene.near = near;
  return with_workspace(omg::cuda::zbuffer_workspace_bytes(scene),
                        [&](void* memory) { omg::cuda::zbuffer(scene, depth, face_index, memory, 0); });
}

void omg_emulated_reverse_blocks(int32_t reverse) { omg::emulation::reverse_blocks(reverse != 0); }

// Kernels whose threads do not meet: the emulation must say so.
const char* omg_emulated_stray_barrier() {
  return with_workspace(1, [](void*) { OMG_LAUNCH(stray_barrier_kernel, dim3(1), dim3(64), 0); });
}
const char* omg_emulated_stray_ballot() {
  return with_workspace(1, [](void*) { OMG_LAUNCH(stray_ballot_kernel, dim3(1), dim3(64), 0); });
}

// Writes beyond its piece of the workspace, into the next: the address sanitizer must say so.
const char* omg_emulated_stray_write() {
  return with_workspace(4096, [](void* memory) {
    omg::cuda::Workspace workspace(memory);
    int* piece = workspace.array<int>(64);
    workspace.array<int>(64);
    OMG_LAUNCH(stray_write_kernel, dim3(1), dim3(32), 0, piece, 64);
  });
}
}
