// XLA FFI handlers of the CPU rasterizer: checks shapes, takes batches apart, and chooses the instruction set.
#include <atomic>
#include <new>

#include "cpu/rasterizer.h"
#include "ffi/arena_pool.h"
#include "ffi/batch.h"
#include "ffi/huge_pages.h"
#include "ffi/signatures.h"
#include "ffi/simd.h"
#include "ffi/thread_pool.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {

namespace xffi = ::xla::ffi;

// The arguments that both handlers begin with.
struct Scene {
  F32 means, quats, scales, opacities, features, world_to_camera, intrinsics;
  float near, blur;
};

struct Batch {
  Dimensions dimensions;
  size_t rank;
  int64_t size() const { return num_elements(dimensions, 0, rank); }
};

// The data of `buffer`, whose own dimensions are the last `rank`, for one item of the batch.
template <typename Buffer>
auto* item_data(const Buffer& buffer, size_t rank, const Batch& batch, int64_t index) {
  const Dimensions dimensions = buffer.dimensions();
  const int64_t size = num_elements(dimensions, dimensions.size() - rank, dimensions.size());
  return buffer.typed_data() + item_of(dimensions, batch.dimensions, batch.rank, index) * size;
}

template <typename Buffer>
bool fits(const Buffer& buffer, const Batch& batch, std::initializer_list<int64_t> shape) {
  const Dimensions dimensions = buffer.dimensions();
  if (!broadcasts(dimensions, shape.size(), batch.dimensions, batch.rank)) return false;
  size_t axis = batch.rank;
  for (const int64_t size : shape) {
    if (dimensions[axis++] != size) return false;
  }
  return true;
}

xffi::Error check(const Scene& scene, const Batch& batch) {
  const Dimensions features = scene.features.dimensions();
  if (features.size() != batch.rank + 2) {
    return xffi::Error::InvalidArgument(
        "omg_rasterize: features must be [..., N, C] with as many batch dimensions as the image");
  }
  const int64_t n = features[batch.rank], c = features[batch.rank + 1];
  if (!fits(scene.means, batch, {n, 3}) || !fits(scene.quats, batch, {n, 4}) || !fits(scene.scales, batch, {n, 3}) ||
      !fits(scene.opacities, batch, {n}) || !fits(scene.features, batch, {n, c})) {
    return xffi::Error::InvalidArgument(
        "omg_rasterize: expected means [..., N, 3], quats [..., N, 4], scales [..., N, 3], opacities [..., N], "
        "features [..., N, C]");
  }
  if (!fits(scene.world_to_camera, batch, {4, 4}) || !fits(scene.intrinsics, batch, {3, 3})) {
    return xffi::Error::InvalidArgument(
        "omg_rasterize: expected world_to_camera [..., 4, 4] and intrinsics [..., 3, 3]");
  }
  return xffi::Error::Success();
}

// `alpha` is an image [..., H, W] of the whole batch.
cpu::RasterizeInputs inputs_of(const Scene& scene, Dimensions alpha, const Batch& batch, int64_t index) {
  cpu::RasterizeInputs in;
  in.num_gaussians = scene.features.dimensions()[batch.rank],
  in.num_channels = scene.features.dimensions()[batch.rank + 1];
  in.height = static_cast<int>(alpha[batch.rank]), in.width = static_cast<int>(alpha[batch.rank + 1]);
  in.means = item_data(scene.means, 2, batch, index);
  in.quats = item_data(scene.quats, 2, batch, index);
  in.scales = item_data(scene.scales, 2, batch, index);
  in.opacities = item_data(scene.opacities, 1, batch, index);
  in.features = item_data(scene.features, 2, batch, index);
  in.world_to_camera = item_data(scene.world_to_camera, 2, batch, index);
  in.intrinsics = item_data(scene.intrinsics, 2, batch, index);
  in.near = scene.near, in.blur = scene.blur;
  return in;
}

// Renders the images of a batch side by side; within each, the stages share the same threads.
template <typename RenderImage>
xffi::Error render_batch(const Batch& batch, xffi::ThreadPool& threads, RenderImage render_image) {
  const Parallel parallel = on_thread_pool(threads);
  std::atomic<bool> overflowed{false}, out_of_memory{false};
  auto render = [&](int64_t index) {
    try {
      const LentArena arena;
      if (!render_image(index, arena.get(), parallel)) overflowed = true;
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  parallel(batch.size(), render);
  if (overflowed) {
    return xffi::Error(
        xffi::ErrorCode::kResourceExhausted,
        "omg_rasterize: more than 2^31 - 1 (Gaussian, tile) pairs in one image; use fewer or smaller Gaussians");
  }
  if (out_of_memory)
    return xffi::Error(xffi::ErrorCode::kResourceExhausted, "omg_rasterize: out of memory for tile lists");
  return xffi::Error::Success();
}

xffi::Error forward(xffi::ThreadPool threads, F32 means, F32 quats, F32 scales, F32 opacities, F32 features,
                    F32 world_to_camera, F32 intrinsics, F32Result out_features, F32Result out_alpha,
                    F32Result out_depth, F32Result transmittance, S32Result last, S32Result stats, float near,
                    float blur) {
  const Scene scene = {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur};
  const Dimensions image = out_alpha->dimensions();
  const Batch batch = {image, image.size() - 2};
  if (xffi::Error error = check(scene, batch); error.failure()) return error;
  prefer_huge_pages(out_features->untyped_data(), out_features->size_bytes());
  return render_batch(batch, threads, [&](int64_t index, const Arena& arena, const Parallel& parallel) {
    const cpu::RasterizeOutputs out = {
        item_data(*out_features, 3, batch, index), item_data(*out_alpha, 2, batch, index),
        item_data(*out_depth, 2, batch, index),    item_data(*transmittance, 2, batch, index),
        item_data(*last, 2, batch, index),         item_data(*stats, 1, batch, index)};
    return OMG_AT_SIMD_LEVEL(rasterize_forward)(inputs_of(scene, image, batch, index), out, arena, parallel);
  });
}

xffi::Error backward(xffi::ThreadPool threads, F32 means, F32 quats, F32 scales, F32 opacities, F32 features,
                     F32 world_to_camera, F32 intrinsics, F32 transmittance, S32 last, F32 d_features_image,
                     F32 d_alpha, F32 d_depth, F32Result d_means, F32Result d_quats, F32Result d_scales,
                     F32Result d_opacities, F32Result d_features, float near, float blur,
                     int32_t /*deterministic: always*/) {
  const Scene scene = {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur};
  const Dimensions gradient = d_opacities->dimensions();
  const Batch batch = {gradient, gradient.size() - 1};
  if (xffi::Error error = check(scene, batch); error.failure()) return error;
  const Dimensions image = d_alpha.dimensions();
  if (!broadcasts(image, 2, gradient, batch.rank)) {
    return xffi::Error::InvalidArgument(
        "omg_rasterize: expected cotangents [..., H, W] with the Gaussians' batch dimensions");
  }
  const int64_t height = image[batch.rank], width = image[batch.rank + 1];
  const int64_t channels = features.dimensions()[batch.rank + 1];
  if (!fits(transmittance, batch, {height, width}) || !fits(last, batch, {height, width}) ||
      !fits(d_depth, batch, {height, width}) || !fits(d_features_image, batch, {height, width, channels})) {
    return xffi::Error::InvalidArgument(
        "omg_rasterize: expected transmittance, last and the depth's cotangent [..., H, W] like alpha's, and the "
        "features' cotangent [..., H, W, C]");
  }
  prefer_huge_pages(d_features->untyped_data(), d_features->size_bytes());
  return render_batch(batch, threads, [&](int64_t index, const Arena& arena, const Parallel& parallel) {
    const cpu::RasterizeCotangents cotangents = {
        item_data(transmittance, 2, batch, index), item_data(last, 2, batch, index),
        item_data(d_features_image, 3, batch, index), item_data(d_alpha, 2, batch, index),
        item_data(d_depth, 2, batch, index)};
    const cpu::RasterizeGradients out = {item_data(*d_means, 2, batch, index), item_data(*d_quats, 2, batch, index),
                                         item_data(*d_scales, 2, batch, index),
                                         item_data(*d_opacities, 1, batch, index),
                                         item_data(*d_features, 2, batch, index)};
    return OMG_AT_SIMD_LEVEL(rasterize_backward)(inputs_of(scene, image, batch, index), cotangents, out, arena,
                                                 parallel);
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(kForward, forward, forward_signature(xffi::Ffi::Bind().Ctx<xffi::ThreadPool>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kBackward, backward, backward_signature(xffi::Ffi::Bind().Ctx<xffi::ThreadPool>()));

}  // namespace

void* rasterize_forward_cpu() { return reinterpret_cast<void*>(kForward); }
void* rasterize_backward_cpu() { return reinterpret_cast<void*>(kBackward); }

}  // namespace omg::ffi
