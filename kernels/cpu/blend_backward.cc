// Stage 4 (backward pass): back-to-front over each tile's list, one tile per work item. With v_i what the cotangents
// make of splat i's features and depth at a pixel, T_i the transmittance in front of it and w_i = alpha_i T_i its
// weight,
//   d alpha_i = T_i v_i - S_i / (1 - alpha_i),   S_i = sum of w_j v_j over all j behind i, minus (d alpha output) *
//   final transmittance,
// so a pixel carries two numbers, T and S, whatever the number of channels. Walking from the back recovers T by
// division, to full precision. Every instance leaves its own record; no two threads ever add to one place, so the
// result is the same for any number of threads.
#include <cstring>

#include "stages.h"
#include "tile.h"

namespace omg::cpu::OMG_SIMD {
namespace {

// The cotangents and the running state of a tile's pixels.
struct Pixels {
  Float transmittance[kBlocks], remainder[kBlocks], depth_cotangent[kBlocks];
  Int last[kBlocks];
  int32_t deepest[kBlocks];  // the largest `last` of the block
  int32_t deepest_of_all;
  alignas(64) float features[kBlocks][kSlice][kLanes];  // cotangents of one slice of channels
};

// One splat at the pixels of one block that received it.
struct Hit {
  int block;
  Float u, v;
  Float weight, before;  // before: the transmittance in front of the splat
  Float inverse;         // 1 / (1 - alpha)
  Float alpha_by_sigma;  // d alpha / d sigma
  Float value;           // v_i of the comment above
};

constexpr int kTotals = (kFeatureOffset + kSlice + kLanes - 1) / kLanes * kLanes;

// The state behind the last splat. The cotangents of alpha and depth belong to the first slice alone: gradients of
// slices add up.
void open_tile(const RasterizeInputs& in, const Tile& tile, Slice slice, const RasterizeCotangents& cotangents,
               Pixels* pixels) {
  const bool first = slice.first == 0;
  pixels->deepest_of_all = 0;
  alignas(64) int32_t last[kLanes];
  alignas(64) float transmittance[kLanes], alpha[kLanes] = {}, depth[kLanes] = {};
  for (int block = 0; block < kBlocks; ++block) {
    read_block(cotangents.last, in, tile, block, last);
    int32_t deepest = 0;
    for (int lane = 0; lane < kLanes; ++lane) deepest = last[lane] > deepest ? last[lane] : deepest;
    pixels->last[block] = load(last), pixels->deepest[block] = deepest;
    if (deepest == 0) continue;
    if (deepest > pixels->deepest_of_all) pixels->deepest_of_all = deepest;
    read_block(cotangents.transmittance, in, tile, block, transmittance);
    if (first) {
      read_block(cotangents.alpha, in, tile, block, alpha);
      read_block(cotangents.depth, in, tile, block, depth);
    }
    pixels->transmittance[block] = load(transmittance), pixels->depth_cotangent[block] = load(depth);
    pixels->remainder[block] = -(load(alpha) * load(transmittance));
    read_channels(cotangents.features, in, tile, slice, block, pixels->features[block]);
  }
}

// Steps the pixels that received the splat back to the front of it; returns the number of blocks with such pixels.
OMG_VECTOR_FN int find_hits(const Splat& splat, int position, const Tile& tile, const PixelCentres& centres,
                            Pixels* pixels, Hit* hits) {
  const Footprint<float>& f = splat.shape;
  const BlockRange range = blocks_reached(f, tile);
  int count = 0;
  for (int row = range.first_row; row < range.end_row; ++row) {
    for (int column = range.first_column; column < range.end_column; ++column) {
      const int block = row * kBlockColumns + column;
      if (pixels->deepest[block] <= position) continue;
      Alpha alpha;
      Float exponent;
      const Mask reached =
          reaches(f, centres.x[column], centres.y[row], &alpha, &exponent) & (Int(position) < pixels->last[block]);
      if (!any(reached)) continue;
      evaluate(f, exponent, &alpha);
      const Mask received = alpha.visible & reached;
      if (!any(received)) continue;
      Hit& hit = hits[count++];
      hit.block = block, hit.u = alpha.u, hit.v = alpha.v;
      hit.inverse = Float(1.0f) / (Float(1.0f) - select(received, alpha.clamped, Float(0.0f)));
      hit.before = pixels->transmittance[block] * hit.inverse;
      pixels->transmittance[block] = hit.before;
      hit.weight = select(received, alpha.clamped * hit.before, Float(0.0f));
      hit.alpha_by_sigma = select(received & (alpha.unclamped <= Float(kMaxAlpha)), -alpha.unclamped, Float(0.0f));
      hit.value = pixels->depth_cotangent[block] * Float(splat.depth);
    }
  }
  return count;
}

// For kGroup channels: totals[c] = the splat's feature gradient per lane, and the share of these channels in every
// hit's value.
template <int kGroup>
void visit_channels(const Pixels& pixels, const float* features, int first, Hit* hits, int count, Float* totals) {
  Float total[kGroup];
  for (int c = 0; c < kGroup; ++c) total[c] = 0.0f;
  for (int i = 0; i < count; ++i) {
    const auto& cotangents = pixels.features[hits[i].block];
    const Float weight = hits[i].weight;
    Float value = hits[i].value;
    for (int c = 0; c < kGroup; ++c) {
      const Float cotangent = load(cotangents[first + c]);
      total[c] = fma(weight, cotangent, total[c]);
      value = fma(cotangent, Float(features[first + c]), value);
    }
    hits[i].value = value;
  }
  for (int c = 0; c < kGroup; ++c) totals[c] = total[c];
}

using VisitChannels = void (*)(const Pixels&, const float*, int, Hit*, int, Float*);

template <int kGroup>
VisitChannels visit_group(int size) {
  if constexpr (kGroup > 1) {
    if (size < kGroup) return visit_group<kGroup - 1>(size);
  }
  return visit_channels<kGroup>;
}

// Sums the moments of d loss / d sigma and the depth's gradient over the hits, per lane; advances the remainders.
OMG_VECTOR_FN void visit_geometry(const Hit* hits, int count, Pixels* pixels, Float* totals) {
  for (int i = 0; i < kFeatureOffset; ++i) totals[i] = 0.0f;
  for (int i = 0; i < count; ++i) {
    const Hit& hit = hits[i];
    Float& remainder = pixels->remainder[hit.block];
    const Float d_alpha = hit.before * hit.value - remainder * hit.inverse;
    remainder = fma(hit.weight, hit.value, remainder);
    const Float d_sigma = hit.alpha_by_sigma * d_alpha, du = d_sigma * hit.u, dv = d_sigma * hit.v;
    totals[0] = totals[0] + d_sigma;
    totals[1] = totals[1] + du;
    totals[2] = totals[2] + dv;
    totals[3] = fma(du, hit.u, totals[3]);
    totals[4] = fma(du, hit.v, totals[4]);
    totals[5] = fma(dv, hit.v, totals[5]);
    totals[6] = fma(hit.weight, pixels->depth_cotangent[hit.block], totals[6]);
  }
}

// Sums over lanes and puts the result where the instance's record is; later slices add to what the first wrote of the
// geometry.
OMG_VECTOR_FN void write_record(const Float* totals, Slice slice, float* record) {
  const int size = kFeatureOffset + slice.size;
  if (slice.first == 0) {
    for (int i = 0; i < size; i += kLanes)
      store_first(record + i, sum_each(totals + i), size - i < kLanes ? size - i : kLanes);
    return;
  }
  alignas(64) float sums[kTotals];
  for (int i = 0; i < size; i += kLanes) store(sums + i, sum_each(totals + i));
  for (int i = 0; i < kFeatureOffset; ++i) record[i] += sums[i];
  for (int c = 0; c < slice.size; ++c) record[kFeatureOffset + slice.first + c] = sums[kFeatureOffset + c];
}

// Brings the lines of a record into the cache, to be written.
OMG_VECTOR_FN void fetch_record(const float* record, int64_t size) {
  constexpr int64_t kPerLine = 16;
  for (int64_t i = 0; i < size + kPerLine - 1; i += kPerLine) __builtin_prefetch(record + (i < size ? i : size - 1), 1);
}

void blend_tile(const RasterizeInputs& in, const Splats& splats, const Tile& tile, Slice slice,
                const RasterizeCotangents& cotangents, float* records, uint8_t* touched) {
  const PixelCentres centres = pixel_centres(tile);
  const VisitChannels visit_full = visit_group<kLanes>(kLanes);
  const VisitChannels visit_rest = visit_group<kLanes>(slice.size % kLanes > 0 ? slice.size % kLanes : kLanes);
  Pixels pixels;
  open_tile(in, tile, slice, cotangents, &pixels);
  Hit hits[kBlocks];
  Float totals[kTotals];
  for (int i = 0; i < kTotals; ++i) totals[i] = 0.0f;
  for (int32_t i = pixels.deepest_of_all; i < tile.count; ++i) touched[tile.begin[i].slot] = 0;
  for (int32_t i = pixels.deepest_of_all - 1; i >= 0; --i) {
    fetch(splats, tile, i - kFetchAhead);
    if (i >= kFetchAhead) fetch_record(records + tile.begin[i - kFetchAhead].slot * record_size(in), record_size(in));
    const Splat& splat = splats.array[tile.begin[i].rank];
    const int32_t slot = tile.begin[i].slot;
    const float* features = in.features + splat.id * in.num_channels + slice.first;
    fetch_features(features, slice.size);
    const int count = find_hits(splat, i, tile, centres, &pixels, hits);
    touched[slot] = count > 0;
    if (count == 0) continue;
    for (int first = 0; first < slice.size; first += kLanes) {
      (first + kLanes <= slice.size ? visit_full : visit_rest)(pixels, features, first, hits, count,
                                                               totals + kFeatureOffset + first);
    }
    visit_geometry(hits, count, &pixels, totals);
    write_record(totals, slice, records + slot * record_size(in));
  }
}

}  // namespace

void blend_backward(const RasterizeInputs& in, const Splats& splats, const TileLists& lists,
                    const RasterizeCotangents& cotangents, float* records, uint8_t* touched, const Parallel& parallel) {
  const int64_t slices = num_slices(in), tiles = static_cast<int64_t>(lists.columns) * lists.rows;
  parallel(tiles, [&](int64_t index) {
    const Tile tile = tile_at(in, lists, index);
    if (tile.count == 0) return;
    for (int64_t slice = 0; slice < slices; ++slice) {
      blend_tile(in, splats, tile, slice_at(in, slice), cotangents, records, touched);
    }
  });
}

}  // namespace omg::cpu::OMG_SIMD
