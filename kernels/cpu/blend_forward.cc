// Stage 3: front-to-back blending, one tile per work item. Splats are taken in batches: first every splat's weights at
// the pixels it reaches, then, block by block, the features of all of them, summed in registers.
#include <cstring>

#include "stages.h"
#include "tile.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int kBatch = 32;
// Channels summed at once: one register each, and some to spare.
constexpr int kMaxGroup = kLanes == 16 ? 24 : 12;

// The state of a tile's pixels between splats.
struct Pixels {
  Float transmittance[kBlocks], depth[kBlocks];
  Int last[kBlocks];
  Mask open[kBlocks];  // in the image, and not yet stopped
  int open_blocks;
};

// The weights of one batch, sorted by block.
struct Weights {
  Float weight[kBlocks][kBatch];
  const float* features[kBlocks][kBatch];
  int count[kBlocks];
};

void open_tile(const Tile& tile, Pixels* pixels) {
  pixels->open_blocks = 0;
  for (int block = 0; block < kBlocks; ++block) {
    pixels->transmittance[block] = 1.0f, pixels->depth[block] = 0.0f, pixels->last[block] = 0;
    pixels->open[block] = inside_image(tile, block);
    pixels->open_blocks += any(pixels->open[block]);
  }
}

// Lets one splat, the position-th of its tile, darken the pixels it reaches, and notes its weights.
OMG_VECTOR_FN void weigh(const Splat& splat, const float* features, int position, const Tile& tile,
                         const PixelCentres& centres, Pixels* pixels, Weights* weights) {
  const Footprint<float>& f = splat.shape;
  const BlockRange range = blocks_reached(f, tile);
  for (int row = range.first_row; row < range.end_row; ++row) {
    for (int column = range.first_column; column < range.end_column; ++column) {
      const int block = row * kBlockColumns + column;
      const Mask open = pixels->open[block];
      Alpha alpha;
      Float exponent;
      const Mask reached = reaches(f, centres.x[column], centres.y[row], &alpha, &exponent) & open;
      if (!any(reached)) continue;
      evaluate(f, exponent, &alpha);
      const Float before = pixels->transmittance[block], after = before * (Float(1.0f) - alpha.clamped);
      const Mask visible = alpha.visible & open, passes = after > Float(kMinTransmittance), adds = visible & passes;
      const Float weight = select(adds, alpha.clamped * before, Float(0.0f));
      pixels->transmittance[block] = select(adds, after, before);
      pixels->depth[block] = fma(weight, Float(splat.depth), pixels->depth[block]);
      pixels->last[block] = select(adds, Int(position + 1), pixels->last[block]);
      const int entry = weights->count[block]++;
      weights->weight[block][entry] = weight, weights->features[block][entry] = features;
      const Mask still_open = open & (passes | ~visible);
      pixels->open[block] = still_open;
      pixels->open_blocks -= !any(still_open);
    }
  }
}

// sums[c] += weight x features[first + c] over a block's entries, for kGroup channels.
template <int kGroup>
void accumulate(const Float* weight, const float* const* features, int count, int64_t first, float* sums) {
  Float sum[kGroup];
  for (int c = 0; c < kGroup; ++c) sum[c] = load(sums + c * kLanes);
  for (int i = 0; i < count; ++i) {
    const float* row = features[i] + first;
    for (int c = 0; c < kGroup; ++c) sum[c] = fma(weight[i], Float(row[c]), sum[c]);
  }
  for (int c = 0; c < kGroup; ++c) store(sums + c * kLanes, sum[c]);
}

using Accumulate = void (*)(const Float*, const float* const*, int, int64_t, float*);

template <int kGroup>
Accumulate accumulate_group(int size) {
  if constexpr (kGroup > 1) {
    if (size < kGroup) return accumulate_group<kGroup - 1>(size);
  }
  return accumulate<kGroup>;
}

// A slice of channels as groups of nearly equal size, as few as registers allow: the first `num_larger` hold `larger`
// channels, the others one less.
struct Groups {
  int count, larger, num_larger;
  Accumulate accumulate_larger, accumulate_smaller;
};

Groups channel_groups(int channels) {
  const int count = (channels + kMaxGroup - 1) / kMaxGroup, larger = (channels + count - 1) / count;
  return {count, larger, channels - count * (larger - 1), accumulate_group<kMaxGroup>(larger),
          accumulate_group<kMaxGroup>(larger > 1 ? larger - 1 : 1)};
}

// The features of a tile's pixels, one slice of channels.
struct Sums {
  alignas(64) float values[kBlocks][kSlice][kLanes];
};

void add_features(const Weights& weights, const Groups& groups, Slice slice, Sums* sums) {
  for (int block = 0; block < kBlocks; ++block) {
    if (weights.count[block] == 0) continue;
    int done = 0;
    for (int group = 0; group < groups.count; ++group) {
      const bool is_larger = group < groups.num_larger;
      const Accumulate add = is_larger ? groups.accumulate_larger : groups.accumulate_smaller;
      add(weights.weight[block], weights.features[block], weights.count[block], slice.first + done,
          sums->values[block][done]);
      done += is_larger ? groups.larger : groups.larger - 1;
    }
  }
}

void write_pixels(const RasterizeInputs& in, const Tile& tile, const Pixels& pixels, const RasterizeOutputs& out) {
  alignas(64) float lanes[kLanes];
  alignas(64) int32_t last[kLanes];
  for (int block = 0; block < kBlocks; ++block) {
    store(lanes, pixels.transmittance[block]);
    write_block(out.transmittance, in, tile, block, lanes);
    store(lanes, Float(1.0f) - pixels.transmittance[block]);
    write_block(out.alpha, in, tile, block, lanes);
    store(lanes, pixels.depth[block]);
    write_block(out.depth, in, tile, block, lanes);
    store(last, pixels.last[block]);
    write_block(out.last, in, tile, block, last);
  }
}

void blend_tile(const RasterizeInputs& in, const Splats& splats, const Tile& tile, Slice slice,
                const RasterizeOutputs& out) {
  const PixelCentres centres = pixel_centres(tile);
  const Groups groups = channel_groups(slice.size);
  Pixels pixels;
  open_tile(tile, &pixels);
  Sums sums;
  for (auto& block : sums.values) std::memset(block, 0, slice.size * sizeof block[0]);
  Weights weights;
  for (int32_t begin = 0; begin < tile.count && pixels.open_blocks > 0; begin += kBatch) {
    const int32_t end = begin + kBatch < tile.count ? begin + kBatch : tile.count;
    std::memset(weights.count, 0, sizeof weights.count);
    for (int32_t i = begin; i < end; ++i) {
      fetch(splats, tile, i + kFetchAhead);
      const Splat& splat = splats.array[tile.begin[i].rank];
      const float* features = in.features + splat.id * in.num_channels;
      fetch_features(features + slice.first, slice.size);
      weigh(splat, features, i, tile, centres, &pixels, &weights);
    }
    add_features(weights, groups, slice, &sums);
  }
  for (int block = 0; block < kBlocks; ++block)
    write_channels(out.features, in, tile, slice, block, sums.values[block]);
  if (slice.first == 0) write_pixels(in, tile, pixels, out);
}

}  // namespace

void blend_forward(const RasterizeInputs& in, const Splats& splats, const TileLists& lists, const RasterizeOutputs& out,
                   const Parallel& parallel) {
  const int64_t slices = num_slices(in), tiles = static_cast<int64_t>(lists.columns) * lists.rows;
  parallel(tiles * slices, [&](int64_t index) {
    blend_tile(in, splats, tile_at(in, lists, index / slices), slice_at(in, index % slices), out);
  });
}

}  // namespace omg::cpu::OMG_SIMD
