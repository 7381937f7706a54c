// Stage 5 (backward pass): what the sums of gradients are added up in, and the way from them back through the
// projection, to the Gaussians and to the camera.
//
// Fixed-point sums are the same for any order of their terms. Their scale is a power of two, from a bound on what a
// whole picture can add up to. For features that is the largest cotangent x pixels, as weights are at most one. For
// geometry it is 2 V x 2^8 x pixels, with 2^8 above every product of u and v, and V above every |v_i| of
// blend_backward.cu: channels x largest feature cotangent x largest feature + largest depth cotangent x largest depth +
// largest alpha cotangent, of the pixels that received a splat and the splats that are drawn. 62 bits then resolve 2^-43
// of the largest feature cotangent, and 2^-34 of V, at 512x512. Sums whose terms float32 may not hold become NaN.
#include <cfloat>

#include "stages.h"
#include "warp.h"

namespace omg::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kStridingBlocks = 512;  // of kernels whose threads walk through an array
constexpr int kSumBits = 62;

// The largest of these, per view.
enum Bound { kFeatureCotangent, kAlphaCotangent, kDepthCotangent, kFeature, kDepth };

// The largest of the warp's values goes into *bound. Bits of floats without their sign order like the floats, infinities
// and NaN last.
__device__ void raise_bound(uint32_t bits, uint32_t* bound) {
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const uint32_t other = __shfl_xor_sync(kAllLanes, bits, step);
    bits = other > bits ? other : bits;
  }
  if (threadIdx.x % kWarpSize == 0 && bits > 0) atomicMax(bound, bits);
}

// The elements of an array [*, columns] that one thread of a grid visits, without a division for each.
class Walk {
 public:
  __device__ explicit Walk(int64_t columns)
      : columns_(columns), row_step_(num_threads() / columns), column_step_(num_threads() % columns) {
    const int64_t start = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    row = start / columns, column = start % columns;
  }
  __device__ void step() {
    row += row_step_, column += column_step_;
    if (column >= columns_) ++row, column -= columns_;
  }
  __device__ int64_t index() const { return row * columns_ + column; }

  int64_t row, column;

 private:
  __device__ static int64_t num_threads() { return static_cast<int64_t>(gridDim.x) * kThreads; }
  int64_t columns_, row_step_, column_step_;
};

__global__ void __launch_bounds__(kThreads)
    bound_kernel(Scene scene, Cotangents cotangents, Binning binning, uint32_t* bounds) {
  const int64_t view = blockIdx.y, pixels = static_cast<int64_t>(scene.width) * scene.height;
  const int64_t n = scene.num_gaussians, c = scene.num_channels;
  uint32_t found[kNumBounds] = {};
  const auto raise = [&](Bound bound, float value) {
    const uint32_t bits = __float_as_uint(value) & 0x7fffffffu;
    if (bits > found[bound]) found[bound] = bits;
  };
  // Pixels that received nothing and Gaussians that are not drawn may hold anything.
  const int32_t* last = item(cotangents.last, scene.batch, view, pixels);
  const float* d_features = item(cotangents.features, scene.batch, view, pixels * c);
  const float* d_alpha = item(cotangents.alpha, scene.batch, view, pixels);
  const float* d_depth = item(cotangents.depth, scene.batch, view, pixels);
  for (Walk at(c); at.row < pixels; at.step()) {
    if (last[at.row] == 0) continue;
    raise(kFeatureCotangent, d_features[at.index()]);
    if (at.column == 0) raise(kAlphaCotangent, d_alpha[at.row]), raise(kDepthCotangent, d_depth[at.row]);
  }
  const Splat* splats = binning.splats.by_id + view * n;
  const float* features = item(scene.features, scene.batch, view, n * c);
  for (Walk at(c); at.row < n; at.step()) {
    if (splats[at.row].opacity != 0.0f) raise(kFeature, features[at.index()]), raise(kDepth, splats[at.row].depth);
  }
  for (int i = 0; i < kNumBounds; ++i) raise_bound(found[i], bounds + kNumBounds * view + i);
}

// What a sum is multiplied by whose terms are at most `term` and of which there are at most `count`: 0 where all are
// zero, NaN where one, or the sum over a warp, may be more than float32 holds.
__device__ Scale fixed_point_scale(double term, double count) {
  constexpr int kMaxExponent = 252;  // more would tell apart what float32 cannot
  if (term == 0.0) return {0.0f, 1.0f};
  if (!(term * kWarpSize <= FLT_MAX)) return {NAN, 1.0f};
  int bits = 0;
  frexp(term * count, &bits);
  const int exponent = kSumBits - bits < kMaxExponent ? kSumBits - bits : kMaxExponent;
  return {ldexpf(1.0f, exponent / 2), ldexpf(1.0f, exponent - exponent / 2)};
}

__global__ void scales_kernel(Scene scene, Sums sums) {
  const int64_t view = blockIdx.x;
  if (threadIdx.x > 0) return;
  double bound[kNumBounds];
  for (int i = 0; i < kNumBounds; ++i) bound[i] = __uint_as_float(sums.bounds[kNumBounds * view + i]);
  const double pixels = static_cast<double>(scene.width) * scene.height;
  const double value = scene.num_channels * bound[kFeatureCotangent] * bound[kFeature] +
                       bound[kDepthCotangent] * bound[kDepth] + bound[kAlphaCotangent];
  // The sums of geometry also hold the depth's gradient, weight x cotangent.
  const double geometry = 2.0 * 256.0 * value + bound[kDepthCotangent];
  sums.scales[view] = {fixed_point_scale(geometry, pixels), fixed_point_scale(bound[kFeatureCotangent], pixels)};
}

// A finished sum; NaN where a cotangent was not finite.
__device__ __forceinline__ float sum_at(const void* sums, int64_t index, Scale scale) {
  if (scale.first == 0.0f) return 0.0f;
  const double inverse = 1.0 / (static_cast<double>(scale.first) * scale.second);
  return static_cast<float>(static_cast<double>(static_cast<const long long*>(sums)[index]) * inverse);
}

__global__ void __launch_bounds__(kThreads)
    finish_features_kernel(Scene scene, Binning binning, Sums sums, float* d_features) {
  const int64_t view = blockIdx.y, first = view * scene.num_gaussians;
  for (Walk at(scene.num_channels); at.row < scene.num_gaussians; at.step()) {
    const int64_t index = first * scene.num_channels + at.index();
    const bool drawn = binning.splats.by_id[first + at.row].opacity != 0.0f;
    d_features[index] = drawn ? sum_at(sums.features, index, sums.scales[view].features) : 0.0f;
  }
}

// One Gaussian's gradients; adds to the camera's.
__device__ void finish_one(const Scene& scene, const Binning& binning, const Sums& sums, int64_t view, int64_t id,
                           const Gradients& out, CameraGradient<float>* d_camera) {
  const int64_t index = view * scene.num_gaussians + id;
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
    const Gaussian<float> g = gaussian_at(scene, view, id);
    const LocalMap<float> map = linearize(g, camera);
    const Footprint<float> f = footprint_of(binning.splats.by_id[index]);
    d = project_vjp(g, map, camera, footprint_vjp(f, moments, sum[6]), d_camera);
    d_opacity = opacity_gradient(f, moments);
  }
  for (int i = 0; i < 3; ++i) out.means[3 * index + i] = d.mean[i], out.scales[3 * index + i] = d.scale[i];
  for (int i = 0; i < 4; ++i) out.quats[4 * index + i] = d.quat[i];
  out.opacities[index] = d_opacity;
}

int64_t num_geometry_blocks(const Scene& scene) { return num_blocks(scene.num_gaussians, kThreads); }

// Leaves each block's part of the camera's gradient in sums.camera: always the same Gaussians in the same order.
__global__ void __launch_bounds__(kThreads)
    finish_geometry_kernel(Scene scene, Binning binning, Sums sums, Gradients out) {
  constexpr int kWarps = kThreads / kWarpSize;
  OMG_SHARED(of_warp, float[kWarps][kNumCameraNumbers]);
  const int64_t id = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, view = blockIdx.y;
  CameraGradient<float> d_camera = {};
  if (id < scene.num_gaussians) finish_one(scene, binning, sums, view, id, out, &d_camera);
  const int lane = threadIdx.x % kWarpSize;
  const float sum = sum_over_warp(d_camera.numbers);
  if (lane < kNumCameraNumbers) of_warp[threadIdx.x / kWarpSize][lane] = sum;
  __syncthreads();
  if (threadIdx.x >= kNumCameraNumbers) return;
  float total = 0.0f;
  for (int warp = 0; warp < kWarps; ++warp) total += of_warp[warp][threadIdx.x];
  sums.camera[(view * gridDim.x + blockIdx.x) * kNumCameraNumbers + threadIdx.x] = total;
}

// One block per view: sums the parts that finish_geometry_kernel left, and lays the numbers out as the camera's arrays.
__global__ void __launch_bounds__(kThreads) finish_camera_kernel(Sums sums, int64_t num_parts, Gradients out) {
  constexpr int kRows = kThreads / kNumCameraNumbers;
  OMG_SHARED(of_row, double[kRows][kNumCameraNumbers]);
  const int64_t view = blockIdx.x;
  const int number = threadIdx.x % kNumCameraNumbers, row = threadIdx.x / kNumCameraNumbers;
  double sum = 0.0;
  for (int64_t part = row; part < num_parts; part += kRows)
    sum += sums.camera[(view * num_parts + part) * kNumCameraNumbers + number];
  of_row[row][number] = sum;
  __syncthreads();
  for (int half = kRows / 2; half > 0; half /= 2) {
    if (row < half) of_row[row][number] += of_row[row + half][number];
    __syncthreads();
  }
  if (threadIdx.x == 0)
    write_camera_gradient(of_row[0], out.world_to_camera + 16 * view, out.intrinsics + 9 * view);
}

}  // namespace

Sums make_sums(const Scene& scene, bool deterministic, float* d_features, Workspace* workspace) {
  const int64_t views = scene.batch.num_views, total = views * scene.num_gaussians;
  Sums sums = {};
  sums.camera = workspace->array<float>(views * num_geometry_blocks(scene) * kNumCameraNumbers);
  if (!deterministic) {
    sums.geometry = workspace->array<float>(total * kNumGeometry);
    sums.features = d_features;
    return sums;
  }
  sums.geometry = workspace->array<long long>(total * kNumGeometry);
  sums.features = workspace->array<long long>(total * scene.num_channels);
  sums.scales = workspace->array<FixedPointScales>(views);
  sums.bounds = workspace->array<uint32_t>(views * kNumBounds);
  return sums;
}

Status start_sums(const Scene& scene, const Cotangents& cotangents, const Binning& binning, const Sums& sums,
                  Stream stream) {
  const int64_t total = scene.batch.num_views * scene.num_gaussians;
  const size_t bytes = sums.scales == nullptr ? sizeof(float) : sizeof(long long);
  OMG_RETURN_IF_FAILED(fill_bytes(sums.geometry, 0, total * kNumGeometry * bytes, stream));
  OMG_RETURN_IF_FAILED(fill_bytes(sums.features, 0, total * scene.num_channels * bytes, stream));
  if (sums.scales == nullptr) return kSuccess;
  OMG_RETURN_IF_FAILED(fill_bytes(sums.bounds, 0, scene.batch.num_views * kNumBounds * sizeof(uint32_t), stream));
  const dim3 grid(kStridingBlocks, static_cast<unsigned>(scene.batch.num_views));
  OMG_RETURN_IF_FAILED(
      OMG_LAUNCH(bound_kernel, grid, dim3(kThreads), stream, scene, cotangents, binning, sums.bounds));
  return OMG_LAUNCH(scales_kernel, dim3(static_cast<unsigned>(scene.batch.num_views)), dim3(kWarpSize), stream, scene,
                    sums);
}

Status finish_gradients(const Scene& scene, const Binning& binning, const Sums& sums, const Gradients& out,
                        Stream stream) {
  const auto views = static_cast<unsigned>(scene.batch.num_views);
  if (sums.scales != nullptr) {
    OMG_RETURN_IF_FAILED(OMG_LAUNCH(finish_features_kernel, dim3(kStridingBlocks, views), dim3(kThreads), stream,
                                    scene, binning, sums, out.features));
  }
  const int64_t blocks = num_geometry_blocks(scene);
  if (blocks > 0) {
    OMG_RETURN_IF_FAILED(OMG_LAUNCH(finish_geometry_kernel, dim3(static_cast<unsigned>(blocks), views), dim3(kThreads),
                                    stream, scene, binning, sums, out));
  }
  return OMG_LAUNCH(finish_camera_kernel, dim3(views), dim3(kThreads), stream, sums, blocks, out);
}

}  // namespace omg::cuda
