// XLA FFI handlers of the CPU rasterizer: takes batches apart, and chooses the instruction set.
#include <atomic>
#include <new>

#include "cpu/rasterizer.h"
#include "ffi/arena_pool.h"
#include "ffi/door.h"
#include "ffi/huge_pages.h"
#include "ffi/simd.h"
#include "ffi/thread_pool.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {
namespace {

namespace xffi = ::xla::ffi;

// One view of a scene.
cpu::RasterizeInputs inputs_of(const Scene& s, int64_t view) {
  const int64_t n = s.num_gaussians, c = s.num_channels;
  return {n,
          c,
          s.width,
          s.height,
          item(s.means, s.batch, view, 3 * n),
          item(s.quats, s.batch, view, 4 * n),
          item(s.scales, s.batch, view, 3 * n),
          item(s.opacities, s.batch, view, n),
          item(s.features, s.batch, view, n * c),
          item(s.world_to_camera, s.batch, view, 16),
          item(s.intrinsics, s.batch, view, 9),
          s.near,
          s.blur};
}

// Renders the images of a batch side by side; within each, the stages share the same threads.
template <typename RenderImage>
xffi::Error render_batch(int64_t num_views, xffi::ThreadPool& threads, RenderImage render_image) {
  const Parallel parallel = on_thread_pool(threads);
  std::atomic<bool> overflowed{false}, out_of_memory{false};
  auto render = [&](int64_t view) {
    try {
      const LentArena arena;
      if (!render_image(view, arena.get(), parallel)) overflowed = true;
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  parallel(num_views, render);
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
  Door door("omg_rasterize", out_alpha->dimensions(), 2);
  const ForwardCall call =
      read_forward(door, {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur},
                   {out_features, out_alpha, out_depth, transmittance, last, stats});
  if (door.refuses()) return door.error();
  prefer_huge_pages(out_features->untyped_data(), out_features->size_bytes());
  const Scene& scene = call.scene;
  const Images& images = call.images;
  const int64_t pixels = int64_t{scene.height} * scene.width;
  return render_batch(scene.batch.num_views, threads, [&](int64_t view, const Arena& arena, const Parallel& parallel) {
    const cpu::RasterizeOutputs out = {images.features + view * pixels * scene.num_channels,
                                       images.alpha + view * pixels,
                                       images.depth + view * pixels,
                                       images.transmittance + view * pixels,
                                       images.last + view * pixels,
                                       images.stats + view * kNumStats};
    return OMG_AT_SIMD_LEVEL(rasterize_forward)(inputs_of(scene, view), out, arena, parallel);
  });
}

xffi::Error backward(xffi::ThreadPool threads, F32 means, F32 quats, F32 scales, F32 opacities, F32 features,
                     F32 world_to_camera, F32 intrinsics, F32 transmittance, S32 last, F32 d_features_image,
                     F32 d_alpha, F32 d_depth, F32Result d_means, F32Result d_quats, F32Result d_scales,
                     F32Result d_opacities, F32Result d_features, F32Result d_world_to_camera, F32Result d_intrinsics,
                     float near, float blur, int32_t /*deterministic: always*/) {
  Door door("omg_rasterize", d_opacities->dimensions(), 1);
  const BackwardCall call =
      read_backward(door, {means, quats, scales, opacities, features, world_to_camera, intrinsics, near, blur},
                    {transmittance, last, d_features_image, d_alpha, d_depth},
                    {d_means, d_quats, d_scales, d_opacities, d_features, d_world_to_camera, d_intrinsics});
  if (door.refuses()) return door.error();
  prefer_huge_pages(d_features->untyped_data(), d_features->size_bytes());
  const Scene& scene = call.scene;
  const Cotangents& cotangents = call.cotangents;
  const Gradients& gradients = call.gradients;
  const int64_t pixels = int64_t{scene.height} * scene.width, n = scene.num_gaussians, c = scene.num_channels;
  const Batch& batch = scene.batch;
  return render_batch(batch.num_views, threads, [&](int64_t view, const Arena& arena, const Parallel& parallel) {
    const cpu::RasterizeCotangents in = {item(cotangents.transmittance, batch, view, pixels),
                                         item(cotangents.last, batch, view, pixels),
                                         item(cotangents.features, batch, view, pixels * c),
                                         item(cotangents.alpha, batch, view, pixels),
                                         item(cotangents.depth, batch, view, pixels)};
    const cpu::RasterizeGradients out = {gradients.means + view * n * 3,
                                         gradients.quats + view * n * 4,
                                         gradients.scales + view * n * 3,
                                         gradients.opacities + view * n,
                                         gradients.features + view * n * c,
                                         gradients.world_to_camera + view * 16,
                                         gradients.intrinsics + view * 9};
    return OMG_AT_SIMD_LEVEL(rasterize_backward)(inputs_of(scene, view), in, out, arena, parallel);
  });
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(kForward, forward, forward_signature(xffi::Ffi::Bind().Ctx<xffi::ThreadPool>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(kBackward, backward, backward_signature(xffi::Ffi::Bind().Ctx<xffi::ThreadPool>()));

}  // namespace

void* rasterize_forward_cpu() { return reinterpret_cast<void*>(kForward); }
void* rasterize_backward_cpu() { return reinterpret_cast<void*>(kBackward); }

}  // namespace omg::ffi
