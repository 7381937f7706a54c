// Stage 3: front-to-back blending, one tile per block. The block unpacks its row of the mask into ranks and brings the
// splats into shared memory, 64 at a time; each warp picks those that reach its 8x4 pixels, 32 by one ballot.
#include "tile.h"

namespace omg::cuda {
namespace {

template <int kChannels>
__global__ void __launch_bounds__(kBlockThreads)
    blend_forward_kernel(Scene scene, Binning binning, Band band, Images out) {
  OMG_SHARED(queue, Queue<kChannels>);
  const Pixel pixel = pixel_of_thread(scene, band);
  const Slice slice = slice_of_block(scene, kChannels);
  const uint32_t* row = mask_row(scene, binning.mask, pixel, band);
  const Splat* splats = binning.splats.by_depth + pixel.view * scene.num_gaussians;
  const float* features = item(scene.features, scene.batch, pixel.view, scene.num_gaussians * scene.num_channels);
  const float x = pixel.x + 0.5f, y = pixel.y + 0.5f;
  const int lane = threadIdx.x % kWarpSize;

  float sums[kChannels];
  OMG_UNROLL for (int c = 0; c < kChannels; ++c) sums[c] = 0.0f;
  float transmittance = 1.0f, depth = 0.0f;
  int32_t last = 0;
  bool open = pixel.inside;

  for (int64_t word = 0; word < binning.mask.words_per_tile;) {
    if (__syncthreads_count(open) == 0) break;
    int queued = 0;
    while (queued < kBatch && word < binning.mask.words_per_tile) {
      queued = unpack_words<kChannels, true>(row, binning.mask.words_per_tile, word, queued, &queue);
      word += kScanWords;
    }
    for (int begin = 0; begin < queued; begin += kBatch) {
      const int count = queued - begin < kBatch ? queued - begin : kBatch;
      stage_batch(scene, splats, features, slice, begin, count, &queue);
      for (int group = 0; group < count && __any_sync(kAllLanes, open); group += kWarpSize) {
        const int candidate = group + lane;
        unsigned reaching = __ballot_sync(
            kAllLanes, candidate < count && reaches_part(queue.splats[candidate], pixel.part_x, pixel.part_y));
        for (; reaching != 0; reaching &= reaching - 1) {
          const int i = group + __ffs(static_cast<int>(reaching)) - 1;
          const Splat& splat = queue.splats[i];
          const Alpha alpha = alpha_at(splat, x, y);
          const float after = transmittance * (1.0f - alpha.clamped);
          const bool visible = alpha.visible && open, passes = after > kMinTransmittance, adds = visible && passes;
          open = open && (passes || !visible);
          if (!__any_sync(kAllLanes, adds)) continue;
          const float weight = adds ? alpha.clamped * transmittance : 0.0f;
          if (adds) transmittance = after, last = static_cast<int32_t>(queue.ranks[begin + i]) + 1;
          depth = fmaf(weight, splat.depth, depth);
          OMG_UNROLL for (int c = 0; c < kChannels; ++c) sums[c] = fmaf(weight, queue.features[i][c], sums[c]);
        }
      }
      __syncthreads();
    }
  }

  if (!pixel.inside) return;
  const int64_t index = pixel.view * scene.width * scene.height + pixel.index;
  store_channels(scene, slice, sums, out.features + index * scene.num_channels + slice.first);
  if (slice.first > 0) return;
  out.alpha[index] = 1.0f - transmittance;
  out.depth[index] = depth;
  out.transmittance[index] = transmittance;
  out.last[index] = last;
}

template <int kChannels>
Status launch(const Scene& scene, const Binning& binning, Band band, const Images& out, Stream stream) {
  const dim3 grid((band.end_row - band.first_row) * tile_grid(scene).columns, num_blocks(scene.num_channels, kChannels),
                  static_cast<unsigned>(scene.batch.num_views));
  return OMG_LAUNCH(blend_forward_kernel<kChannels>, grid, dim3(kBlockThreads), stream, scene, binning, band, out);
}

}  // namespace

Status blend_forward(const Scene& scene, const Binning& binning, Band band, const Images& out, Stream stream) {
  return OMG_DISPATCH_CHANNELS(scene.num_channels, launch, scene, binning, band, out, stream);
}

}  // namespace omg::cuda
