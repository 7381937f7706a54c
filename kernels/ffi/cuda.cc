// XLA FFI handlers of the CUDA rasterizer and z-buffer: takes scratch memory from XLA, and launches on XLA's stream.
#include <cuda_runtime_api.h>

#include <optional>
#include <string>

#include "cuda/rasterizer.h"
#include "cuda/zbuffer.h"
#include "ffi/door.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {

namespace xffi = ::xla::ffi;
using Stream = xffi::PlatformStream<cudaStream_t>;

// Launches with so much scratch memory; tells what went wrong.
template <typename Launch>
xffi::Error launch_with(xffi::ScratchAllocator& scratch, size_t bytes, Launch launch) {
  void* memory = nullptr;
  if (bytes > 0) {
    constexpr size_t kAlignment = 16;  // what 16-byte loads need, and the most that XLA lets one ask for
    const std::optional<void*> allocated = scratch.Allocate(bytes, kAlignment);
    if (!allocated) {
      return xffi::Error(xffi::ErrorCode::kResourceExhausted,
                         "omg: XLA gave no " + std::to_string(bytes >> 20) + " MiB of scratch memory on the device");
    }
    memory = *allocated;
  }
  if (const cudaError_t status = launch(memory); status != cudaSuccess)
    return xffi::Error::Internal(std::string("omg: a launch failed: ") + cudaGetErrorString(status));
  return xffi::Error::Success();
}

xffi::Error forward(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 means, F32 quats, F32 scales,
                    F32 opacities, F32 features, F32 world_to_camera, F32 intrinsics, F32Result out_features,
                    F32Result alpha, F32Result depth, F32Result transmittance, S32Result last, S32Result stats,
                    float near, float blur) {
  Door door("omg_rasterize", alpha->dimensions(), 2);
  const ForwardCall call =
      read_forward(door, {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur},
                   {out_features, alpha, depth, transmittance, last, stats});
  if (const char* limit = cuda::scene_too_large(call.scene)) door.complain(std::string("a GPU draws ") + limit);
  if (door.refuses()) return door.error();
  return launch_with(scratch, cuda::forward_workspace_bytes(call.scene),
                     [&](void* memory) { return cuda::rasterize_forward(call.scene, call.images, memory, stream); });
}

xffi::Error backward(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 means, F32 quats, F32 scales,
                     F32 opacities, F32 features, F32 world_to_camera, F32 intrinsics, F32 transmittance, S32 last,
                     F32 d_features_image, F32 d_alpha, F32 d_depth, F32Result d_means, F32Result d_quats,
                     F32Result d_scales, F32Result d_opacities, F32Result d_features, F32Result d_world_to_camera,
                     F32Result d_intrinsics, float near, float blur, int32_t deterministic) {
  Door door("omg_rasterize", d_opacities->dimensions(), 1);
  const BackwardCall call =
      read_backward(door, {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur},
                    {transmittance, last, d_features_image, d_alpha, d_depth},
                    {d_means, d_quats, d_scales, d_opacities, d_features, d_world_to_camera, d_intrinsics});
  if (const char* limit = cuda::scene_too_large(call.scene)) door.complain(std::string("a GPU draws ") + limit);
  if (door.refuses()) return door.error();
  return launch_with(scratch, cuda::backward_workspace_bytes(call.scene, deterministic != 0), [&](void* memory) {
    return cuda::rasterize_backward(call.scene, call.cotangents, deterministic != 0, call.gradients, memory, stream);
  });
}

xffi::Error zbuffer(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 vertices, S32 faces, F32 world_to_camera,
                    F32 intrinsics, F32Result depth, S32Result face_index, float near) {
  Door door("omg_zbuffer", depth->dimensions(), 2);
  const int64_t height = door.size("depth", *depth, 2, 2), width = door.size("depth", *depth, 2, 1);
  const MeshScene scene = read_mesh(door, {vertices, faces, world_to_camera, intrinsics, near}, height, width);
  float* depths = door.result("depth", depth, {height, width});
  int32_t* face_indices = door.result("face index", face_index, {height, width});
  if (const char* limit = cuda::picture_too_large(scene.batch, width, height))
    door.complain(std::string("a GPU draws ") + limit);
  if (door.refuses()) return door.error();
  return launch_with(scratch, cuda::zbuffer_workspace_bytes(scene), [&](void* memory) {
    return cuda::zbuffer(scene, depths, face_indices, memory, stream);
  });
}

auto contexts() { return xffi::Ffi::Bind().Ctx<Stream>().Ctx<xffi::ScratchAllocator>(); }

XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaForward, forward, forward_signature(contexts()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaBackward, backward, backward_signature(contexts()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaZbuffer, zbuffer, zbuffer_signature(contexts()));

}  // namespace

void* rasterize_forward_cuda() { return reinterpret_cast<void*>(kCudaForward); }
void* rasterize_backward_cuda() { return reinterpret_cast<void*>(kCudaBackward); }
void* zbuffer_cuda() { return reinterpret_cast<void*>(kCudaZbuffer); }

}  // namespace omg::ffi
