// XLA FFI handlers of the CUDA rasterizer and z-buffer: checks shapes, takes scratch memory from XLA, and launches on
// XLA's stream.
#include <cuda_runtime_api.h>

#include <optional>
#include <string>

#include "cuda/rasterizer.h"
#include "cuda/zbuffer.h"
#include "ffi/batch.h"
#include "ffi/signatures.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {

namespace xffi = ::xla::ffi;
using Stream = xffi::PlatformStream<cudaStream_t>;

// Collects what is wrong with the arguments; the first complaint counts.
class Door {
 public:
  Door(const char* target, Dimensions result, size_t rank) : target_(target) {
    if (result.size() < rank || result.size() - rank > cuda::kMaxBatchRank) {
      complain("at most 6 batch dimensions");
      return;
    }
    batch_.rank = static_cast<int>(result.size() - rank);
    for (int i = 0; i < batch_.rank; ++i) batch_.dimensions[i] = result[i];
    batch_.num_views = num_elements(result, 0, batch_.rank);
    result_ = result;
  }

  const cuda::Batch& batch() const { return batch_; }

  // The argument as an operand, once its own dimensions are as expected; -1 stands for any size.
  template <typename Buffer>
  auto operand(const char* name, const Buffer& buffer, std::initializer_list<int64_t> shape) {
    using T = std::remove_pointer_t<decltype(buffer.typed_data())>;
    cuda::Operand<std::remove_const_t<T>> operand = {};
    const Dimensions dimensions = buffer.dimensions();
    bool fits = !error_ && broadcasts(dimensions, shape.size(), result_, batch_.rank);
    size_t axis = batch_.rank;
    for (const int64_t size : shape) {
      fits = fits && (size < 0 || dimensions[axis] == size);
      ++axis;
    }
    if (!fits) {
      complain(std::string(name) + " has a shape that does not fit the others");
      return operand;
    }
    operand.data = buffer.typed_data();
    int64_t stride = 1;
    for (int i = batch_.rank - 1; i >= 0; --i) {
      operand.stride[i] = dimensions[i] == 1 ? 0 : stride;
      stride *= dimensions[i];
    }
    return operand;
  }

  void complain(std::string what) {
    if (!error_) error_ = std::string(target_) + ": " + what;
  }

  const std::optional<std::string>& error() const { return error_; }

 private:
  const char* target_;
  Dimensions result_;
  cuda::Batch batch_ = {};
  std::optional<std::string> error_;
};

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

struct SceneArguments {
  F32 means, quats, scales, opacities, features, world_to_camera, intrinsics;
};

cuda::Scene scene_of(Door& door, const SceneArguments& in, int64_t height, int64_t width, float near, float blur) {
  cuda::Scene scene = {};
  const Dimensions features = in.features.dimensions();
  if (features.size() != static_cast<size_t>(door.batch().rank) + 2) {
    door.complain("features must be [..., N, C] with as many batch dimensions as the result");
    return scene;
  }
  const int64_t n = features[features.size() - 2], c = features[features.size() - 1];
  scene.batch = door.batch();
  scene.num_gaussians = n, scene.num_channels = c;
  scene.height = static_cast<int>(height), scene.width = static_cast<int>(width);
  scene.means = door.operand("means", in.means, {n, 3});
  scene.quats = door.operand("quats", in.quats, {n, 4});
  scene.scales = door.operand("scales", in.scales, {n, 3});
  scene.opacities = door.operand("opacities", in.opacities, {n});
  scene.features = door.operand("features", in.features, {n, c});
  scene.world_to_camera = door.operand("world_to_camera", in.world_to_camera, {4, 4});
  scene.intrinsics = door.operand("intrinsics", in.intrinsics, {3, 3});
  scene.near = near, scene.blur = blur;
  if (const char* limit = cuda::scene_too_large(scene)) door.complain(std::string("a GPU draws ") + limit);
  return scene;
}

xffi::Error forward(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 means, F32 quats, F32 scales,
                    F32 opacities, F32 features, F32 world_to_camera, F32 intrinsics, F32Result out_features,
                    F32Result alpha, F32Result depth, F32Result transmittance, S32Result last, S32Result stats,
                    float near, float blur) {
  const Dimensions image = alpha->dimensions();
  Door door("omg_rasterize", image, 2);
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  const cuda::Scene scene =
      scene_of(door, {means, quats, scales, opacities, features, world_to_camera, intrinsics},
               image[image.size() - 2], image[image.size() - 1], near, blur);
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  const cuda::Images out = {out_features->typed_data(), alpha->typed_data(), depth->typed_data(),
                            transmittance->typed_data(), last->typed_data(), stats->typed_data()};
  return launch_with(scratch, cuda::forward_workspace_bytes(scene),
                     [&](void* memory) { return cuda::rasterize_forward(scene, out, memory, stream); });
}

xffi::Error backward(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 means, F32 quats, F32 scales,
                     F32 opacities, F32 features, F32 world_to_camera, F32 intrinsics, F32 transmittance, S32 last,
                     F32 d_features_image, F32 d_alpha, F32 d_depth, F32Result d_means, F32Result d_quats,
                     F32Result d_scales, F32Result d_opacities, F32Result d_features, float near, float blur,
                     int32_t deterministic) {
  Door door("omg_rasterize", d_opacities->dimensions(), 1);
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  const Dimensions image = d_alpha.dimensions();
  if (image.size() != static_cast<size_t>(door.batch().rank) + 2)
    return xffi::Error::InvalidArgument("omg_rasterize: expected cotangents [..., H, W]");
  const int64_t height = image[image.size() - 2], width = image[image.size() - 1];
  const cuda::Scene scene = scene_of(
      door, {means, quats, scales, opacities, features, world_to_camera, intrinsics}, height, width, near, blur);
  const cuda::Cotangents cotangents = {
      door.operand("transmittance", transmittance, {height, width}), door.operand("last", last, {height, width}),
      door.operand("the features' cotangent", d_features_image, {height, width, scene.num_channels}),
      door.operand("alpha's cotangent", d_alpha, {height, width}),
      door.operand("the depth's cotangent", d_depth, {height, width})};
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  const cuda::Gradients out = {d_means->typed_data(), d_quats->typed_data(), d_scales->typed_data(),
                               d_opacities->typed_data(), d_features->typed_data()};
  return launch_with(scratch, cuda::backward_workspace_bytes(scene, deterministic != 0), [&](void* memory) {
    return cuda::rasterize_backward(scene, cotangents, deterministic != 0, out, memory, stream);
  });
}

xffi::Error zbuffer(cudaStream_t stream, xffi::ScratchAllocator scratch, F32 vertices, S32 faces, F32 world_to_camera,
                    F32 intrinsics, F32Result depth, S32Result face_index, float near) {
  const Dimensions image = depth->dimensions();
  Door door("omg_zbuffer", image, 2);
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  cuda::MeshScene scene = {};
  scene.batch = door.batch();
  scene.height = static_cast<int>(image[image.size() - 2]), scene.width = static_cast<int>(image[image.size() - 1]);
  scene.vertices = door.operand("vertices", vertices, {-1, 3});
  scene.faces = door.operand("faces", faces, {-1, 3});
  scene.world_to_camera = door.operand("world_to_camera", world_to_camera, {4, 4});
  scene.intrinsics = door.operand("intrinsics", intrinsics, {3, 3});
  scene.near = near;
  if (door.error()) return xffi::Error::InvalidArgument(*door.error());
  scene.num_vertices = vertices.dimensions()[scene.batch.rank], scene.num_faces = faces.dimensions()[scene.batch.rank];
  if (const char* limit = cuda::picture_too_large(scene.batch, scene.width, scene.height))
    return xffi::Error::InvalidArgument(std::string("omg_zbuffer: a GPU draws ") + limit);
  return launch_with(scratch, cuda::zbuffer_workspace_bytes(scene), [&](void* memory) {
    return cuda::zbuffer(scene, depth->typed_data(), face_index->typed_data(), memory, stream);
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaForward, forward, forward_signature(xffi::Ffi::Bind().Ctx<Stream>().Ctx<xffi::ScratchAllocator>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaBackward, backward, backward_signature(xffi::Ffi::Bind().Ctx<Stream>().Ctx<xffi::ScratchAllocator>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kCudaZbuffer, zbuffer, zbuffer_signature(xffi::Ffi::Bind().Ctx<Stream>().Ctx<xffi::ScratchAllocator>()));

}  // namespace

void* rasterize_forward_cuda() { return reinterpret_cast<void*>(kCudaForward); }
void* rasterize_backward_cuda() { return reinterpret_cast<void*>(kCudaBackward); }
void* zbuffer_cuda() { return reinterpret_cast<void*>(kCudaZbuffer); }

}  // namespace omg::ffi
