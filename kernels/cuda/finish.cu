// Stage 5 (backward pass): what the sums of gradients are added up in, and the way from them back through the
// projection.
//
// Fixed-point sums are the same for any order of their terms. Their scale is a power of two, from a bound on what a
// whole picture can add up to: for features max |cotangent| x pixels, as weights are at most one; for geometry 2^8 (the
// largest |u|, |v| products) x 2 x max |v_i| x pixels, v_i as in blend_backward.cu. 63 bits then leave a resolution of
// 2^-45 of the largest cotangent for features and 2^-36 of the largest v_i for geometry at 512x512: finer than the
// rounding of float32 for all but the smallest gradients.
#include "stages.h"

namespace omg::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBoundBlocks = 512;
constexpr int kSumBits = 62;

// The largest of the warp's values goes into *bound. Bits of floats without their sign order like the floats, infinities
// and NaN last.
__device__ void raise_bound(uint32_t bits, uint32_t* bound) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const uint32_t other = __shfl_xor_sync(kAllLanes, bits, step);
    bits = other > bits ? other : bits;
  }
  if (threadIdx.x % kWarpSize == 0 && bits > 0) atomicMax(bound, bits);
}

__device__ __forceinline__ uint32_t magnitude_bits(float value) { return __float_as_uint(value) & 0x7fffffffu; }

__device__ uint32_t largest(const float* values, int64_t count) {
  uint32_t bits = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const uint32_t other = magnitude_bits(values[i]);
    bits = other > bits ? other : bits;
  }
  return bits;
}

__global__ void __launch_bounds__(kThreads)
    bound_kernel(Scene scene, Cotangents cotangents, Binning binning, uint32_t* bounds) {
  const int64_t view = blockIdx.y, pixels = static_cast<int64_t>(scene.width) * scene.height;
  const int64_t n = scene.num_gaussians, c = scene.num_channels;
  raise_bound(largest(item(cotangents.features, scene.batch, view, pixels * c), pixels * c), bounds + 2 * view);
  raise_bound(largest(item(cotangents.alpha, scene.batch, view, pixels), pixels), bounds + 2 * view);
  raise_bound(largest(item(cotangents.depth, scene.batch, view, pixels), pixels), bounds + 2 * view);
  // Gaussians that are not drawn may hold anything.
  const Splat* splats = binning.splats.by_id + view * n;
  const float* features = item(scene.features, scene.batch, view, n * c);
  uint32_t bits = __float_as_uint(1.0f);  // of alpha's own factor
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n * c;
       i += static_cast<int64_t>(gridDim.x) * kThreads) {
    const Splat& splat = splats[i / c];
    if (splat.opacity == 0.0f) continue;
    const uint32_t feature = magnitude_bits(features[i]), depth = magnitude_bits(splat.depth);
    bits = feature > bits ? feature : bits;
    bits = depth > bits ? depth : bits;
  }
  raise_bound(bits, bounds + 2 * view + 1);
}

// The least e with value <= 2^e, for a finite value.
OMG_FN int exponent_above(float value) {
  int exponent = 0;
  frexpf(value, &exponent);
  return exponent;
}

__global__ void scales_kernel(Scene scene, Sums sums) {
  const int64_t view = blockIdx.x;
  if (threadIdx.x > 0) return;
  const float cotangent = __uint_as_float(sums.bounds[2 * view]), feature = __uint_as_float(sums.bounds[2 * view + 1]);
  FixedPointScales scales = {NAN, NAN};
  if (cotangent == 0.0f) {
    scales = {0.0, 0.0};
  } else if (cotangent <= 3.4e38f) {
    const int pixels = exponent_above(static_cast<float>(scene.width) * static_cast<float>(scene.height));
    const int terms = exponent_above(static_cast<float>(scene.num_channels + 2));
    const int features = exponent_above(cotangent) + pixels;
    scales.features = ldexp(1.0, kSumBits - features);
    scales.geometry = ldexp(1.0, kSumBits - (features + exponent_above(feature) + terms + 9));
  }
  sums.scales[view] = scales;
}

// A finished sum; NaN where a cotangent was not finite.
__device__ __forceinline__ float sum_at(const void* sums, int64_t index, double scale) {
  if (scale == 0.0) return 0.0f;
  return static_cast<float>(static_cast<double>(static_cast<const long long*>(sums)[index]) / scale);
}

__global__ void __launch_bounds__(kThreads) finish_features_kernel(Scene scene, Sums sums, float* d_features) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, view = blockIdx.y;
  const int64_t count = scene.num_gaussians * scene.num_channels;
  if (i < count) d_features[view * count + i] = sum_at(sums.features, view * count + i, sums.scales[view].features);
}

__global__ void __launch_bounds__(kThreads)
    finish_geometry_kernel(Scene scene, Binning binning, Sums sums, Gradients out) {
  const int64_t id = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, view = blockIdx.y;
  if (id >= scene.num_gaussians) return;
  const int64_t n = scene.num_gaussians, index = view * n + id;
  Gaussian<float> d = {};
  float d_opacity = 0.0f;
  if (binning.splats.by_id[index].opacity != 0.0f) {
    float sum[kNumGeometry];
    for (int i = 0; i < kNumGeometry; ++i) {
      sum[i] = sums.scales == nullptr ? static_cast<const float*>(sums.geometry)[index * kNumGeometry + i]
                                      : sum_at(sums.geometry, index * kNumGeometry + i, sums.scales[view].geometry);
    }
    const Moments<float> moments = {sum[0], sum[1], sum[2], sum[3], sum[4], sum[5]};
    const PinholeCamera camera = camera_of(scene, view);
    const float* mean = item(scene.means, scene.batch, view, 3 * n) + 3 * id;
    const float* quat = item(scene.quats, scene.batch, view, 4 * n) + 4 * id;
    const float* scale = item(scene.scales, scene.batch, view, 3 * n) + 3 * id;
    const Gaussian<float> g = {
        {mean[0], mean[1], mean[2]}, {quat[0], quat[1], quat[2], quat[3]}, {scale[0], scale[1], scale[2]}};
    const LocalMap<float> map = linearize(g, camera);
    const Footprint<float> f = footprint_of(binning.splats.by_id[index]);
    d = project_vjp(g, map, camera, footprint_vjp(f, moments, sum[6]));
    d_opacity = opacity_gradient(f, moments);
  }
  for (int i = 0; i < 3; ++i) out.means[3 * index + i] = d.mean[i], out.scales[3 * index + i] = d.scale[i];
  for (int i = 0; i < 4; ++i) out.quats[4 * index + i] = d.quat[i];
  out.opacities[index] = d_opacity;
}

}  // namespace

Sums make_sums(const Scene& scene, bool deterministic, float* d_features, Workspace* workspace) {
  const int64_t total = scene.batch.num_views * scene.num_gaussians;
  if (!deterministic) return {workspace->array<float>(total * kNumGeometry), d_features, nullptr, nullptr};
  Sums sums;
  sums.geometry = workspace->array<long long>(total * kNumGeometry);
  sums.features = workspace->array<long long>(total * scene.num_channels);
  sums.scales = workspace->array<FixedPointScales>(scene.batch.num_views);
  sums.bounds = workspace->array<uint32_t>(scene.batch.num_views * 2);
  return sums;
}

Status start_sums(const Scene& scene, const Cotangents& cotangents, const Binning& binning, const Sums& sums,
                  Stream stream) {
  const int64_t total = scene.batch.num_views * scene.num_gaussians;
  const size_t bytes = sums.scales == nullptr ? sizeof(float) : sizeof(long long);
  OMG_RETURN_IF_FAILED(fill_bytes(sums.geometry, 0, total * kNumGeometry * bytes, stream));
  OMG_RETURN_IF_FAILED(fill_bytes(sums.features, 0, total * scene.num_channels * bytes, stream));
  if (sums.scales == nullptr) return kSuccess;
  OMG_RETURN_IF_FAILED(fill_bytes(sums.bounds, 0, scene.batch.num_views * 2 * sizeof(uint32_t), stream));
  const dim3 grid(kBoundBlocks, static_cast<unsigned>(scene.batch.num_views));
  OMG_RETURN_IF_FAILED(
      OMG_LAUNCH(bound_kernel, grid, dim3(kThreads), stream, scene, cotangents, binning, sums.bounds));
  return OMG_LAUNCH(scales_kernel, dim3(static_cast<unsigned>(scene.batch.num_views)), dim3(kWarpSize), stream, scene, sums);
}

Status finish_gradients(const Scene& scene, const Binning& binning, const Sums& sums, const Gradients& out,
                        Stream stream) {
  const auto views = static_cast<unsigned>(scene.batch.num_views);
  if (sums.scales != nullptr) {
    const dim3 grid(num_blocks(scene.num_gaussians * scene.num_channels, kThreads), views);
    OMG_RETURN_IF_FAILED(OMG_LAUNCH(finish_features_kernel, grid, dim3(kThreads), stream, scene, sums, out.features));
  }
  const dim3 grid(num_blocks(scene.num_gaussians, kThreads), views);
  return OMG_LAUNCH(finish_geometry_kernel, grid, dim3(kThreads), stream, scene, binning, sums, out);
}

}  // namespace omg::cuda
