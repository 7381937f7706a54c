// Stage 4 (backward pass): back-to-front over each tile's splats, one tile per block. With v_i what the cotangents make
// of splat i's features and depth at a pixel, T_i the transmittance in front of it and w_i = alpha_i T_i its weight,
//   d alpha_i = T_i v_i - S_i / (1 - alpha_i),   S_i = sum of w_j v_j over all j behind i, minus (d alpha output) *
//   final transmittance,
// so a lane carries two numbers, T and S, and the cotangents of its pixel. What a splat's gradients get from a warp's
// 32 pixels is summed by exchanges that leave each lane with one channel's sum, and added by one coalesced access.
#include "tile.h"
#include "warp.h"

namespace omg::cuda {
namespace {

constexpr int kMinBlocks = 2;  // on one multiprocessor: leaves 128 registers for each thread

// Adds to a gradient that other blocks add to as well: floats, or fixed-point numbers, whose sum does not depend on the
// order.
struct FloatSum {
  __device__ static void add(void* sums, int64_t index, float value, Scale) {
    atomicAdd(static_cast<float*>(sums) + index, value);
  }
};

struct FixedPointSum {
  __device__ static void add(void* sums, int64_t index, float value, Scale scale) {
    const long long scaled = __float2ll_rn(value * scale.first * scale.second);
    atomicAdd(static_cast<unsigned long long*>(sums) + index, static_cast<unsigned long long>(scaled));
  }
};

template <int kChannels, class Sum>
__global__ void __launch_bounds__(kBlockThreads, kMinBlocks)
    blend_backward_kernel(Scene scene, Binning binning, Band band, Cotangents cotangents, Sums sums) {
  OMG_SHARED(queue, Queue<kChannels>);
  OMG_SHARED(deepest_of_warp, int[kNumWarps]);
  const Pixel pixel = pixel_of_thread(scene, band);
  const Slice slice = slice_of_block(scene, kChannels);
  const int64_t pixels = static_cast<int64_t>(scene.width) * scene.height, n = scene.num_gaussians;
  const int lane = threadIdx.x % kWarpSize, warp = threadIdx.x / kWarpSize;
  const float x = pixel.x + 0.5f, y = pixel.y + 0.5f;

  const int32_t last = pixel.inside ? item(cotangents.last, scene.batch, pixel.view, pixels)[pixel.index] : 0;
  int deepest_here = last;
  OMG_UNROLL for (int step = kWarpSize / 2; step > 0; step /= 2) {
    const int other = __shfl_xor_sync(kAllLanes, deepest_here, step);
    deepest_here = other > deepest_here ? other : deepest_here;
  }
  if (lane == 0) deepest_of_warp[warp] = deepest_here;
  __syncthreads();
  int deepest = 0;
  for (int i = 0; i < kNumWarps; ++i) deepest = deepest_of_warp[i] > deepest ? deepest_of_warp[i] : deepest;
  if (deepest == 0) return;

  // The cotangents of alpha and depth belong to the first slice alone: gradients of slices add up.
  float transmittance = 1.0f, remainder = 0.0f, d_depth = 0.0f, d_features[kChannels];
  OMG_UNROLL for (int c = 0; c < kChannels; ++c) d_features[c] = 0.0f;
  if (last > 0) {
    transmittance = item(cotangents.transmittance, scene.batch, pixel.view, pixels)[pixel.index];
    if (slice.first == 0) {
      remainder = -(item(cotangents.alpha, scene.batch, pixel.view, pixels)[pixel.index] * transmittance);
      d_depth = item(cotangents.depth, scene.batch, pixel.view, pixels)[pixel.index];
    }
    const float* d_image = item(cotangents.features, scene.batch, pixel.view, pixels * scene.num_channels) +
                           pixel.index * scene.num_channels + slice.first;
    load_channels(scene, slice, d_image, d_features);
  }

  const uint32_t* row = mask_row(scene, binning.mask, pixel, band);
  const Splat* splats = binning.splats.by_depth + pixel.view * n;
  const float* features = item(scene.features, scene.batch, pixel.view, n * scene.num_channels);
  const FixedPointScales scales = sums.scales == nullptr ? FixedPointScales{} : sums.scales[pixel.view];

  for (int64_t word = (deepest - 1) / 32; word >= 0;) {
    int queued = 0;
    while (queued < kBatch && word >= 0) {
      queued = unpack_words<kChannels, false>(row, binning.mask.words_per_tile, word, queued, &queue);
      word -= kScanWords;
    }
    for (int begin = 0; begin < queued; begin += kBatch) {
      const int count = queued - begin < kBatch ? queued - begin : kBatch;
      stage_batch(scene, splats, features, slice, begin, count, &queue);
      for (int group = 0; group < count; group += kWarpSize) {
        const int candidate = group + lane;
        unsigned reaching = __ballot_sync(
            kAllLanes, candidate < count && static_cast<int>(queue.ranks[begin + candidate]) < deepest_here &&
                           reaches_part(queue.splats[candidate], pixel.part_x, pixel.part_y));
        for (; reaching != 0; reaching &= reaching - 1) {
          const int i = group + __ffs(static_cast<int>(reaching)) - 1;
          const Splat& splat = queue.splats[i];
          const Alpha alpha = alpha_at(splat, x, y);
          const bool received = alpha.visible && static_cast<int>(queue.ranks[begin + i]) < last;
          if (!__any_sync(kAllLanes, received)) continue;

          // Steps back to the front of the splat.
          const float inverse = 1.0f / (1.0f - (received ? alpha.clamped : 0.0f));
          transmittance *= inverse;
          const float weight = received ? alpha.clamped * transmittance : 0.0f;
          float value = d_depth * splat.depth;
          OMG_UNROLL for (int c = 0; c < kChannels; ++c) value = fmaf(d_features[c], queue.features[i][c], value);
          const float d_alpha = transmittance * value - remainder * inverse;
          remainder = fmaf(weight, value, remainder);
          const float d_sigma = received && alpha.unclamped <= kMaxAlpha ? -alpha.unclamped * d_alpha : 0.0f;
          const float du = d_sigma * alpha.u, dv = d_sigma * alpha.v;

          const int64_t gaussian = pixel.view * n + splat.id;
          float geometry[kNumGeometry] = {d_sigma,        du,           dv,  du * alpha.u, du * alpha.v,
                                          dv * alpha.v, weight * d_depth, 0.0f};
          const float geometry_sum = sum_over_warp(geometry);
          if (lane < kNumGeometry - 1)
            Sum::add(sums.geometry, gaussian * kNumGeometry + lane, geometry_sum, scales.geometry);
          float channels[kChannels];
          OMG_UNROLL for (int c = 0; c < kChannels; ++c) channels[c] = weight * d_features[c];
          const float channel_sum = sum_over_warp(channels);
          if (lane < slice.size)
            Sum::add(sums.features, gaussian * scene.num_channels + slice.first + lane, channel_sum, scales.features);
        }
      }
      __syncthreads();
    }
  }
}

template <int kChannels>
Status launch(const Scene& scene, const Binning& binning, Band band, const Cotangents& cotangents, const Sums& sums,
              Stream stream) {
  const dim3 grid((band.end_row - band.first_row) * tile_grid(scene).columns, num_blocks(scene.num_channels, kChannels),
                  static_cast<unsigned>(scene.batch.num_views));
  if (sums.scales != nullptr) {
    return OMG_LAUNCH((blend_backward_kernel<kChannels, FixedPointSum>), grid, dim3(kBlockThreads), stream, scene,
                      binning, band, cotangents, sums);
  }
  return OMG_LAUNCH((blend_backward_kernel<kChannels, FloatSum>), grid, dim3(kBlockThreads), stream, scene, binning,
                    band, cotangents, sums);
}

}  // namespace

Status blend_backward(const Scene& scene, const Binning& binning, Band band, const Cotangents& cotangents,
                      const Sums& sums, Stream stream) {
  return OMG_DISPATCH_CHANNELS(scene.num_channels, launch, scene, binning, band, cotangents, sums, stream);
}

}  // namespace omg::cuda
