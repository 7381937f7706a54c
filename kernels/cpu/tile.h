// A tile of 16x16 pixels as SIMD blocks of 4 x (kLanes / 4) pixels, and what both blending passes do alike.
#pragma once

#include <cstdint>

#include "stages.h"

namespace omg::cpu::OMG_SIMD {

constexpr int kBlockWidth = 4, kBlockHeight = kLanes / kBlockWidth;
constexpr int kBlockColumns = kTileSize / kBlockWidth, kBlockRows = kTileSize / kBlockHeight;
constexpr int kBlocks = kBlockColumns * kBlockRows;
constexpr int kTilePixels = kTileSize * kTileSize;

// Where a tile lies in the image, and its instances.
struct Tile {
  int left, top;      // pixels
  int width, height;  // pixels of it that lie in the image
  const Instance* begin;
  int32_t count;
};

OMG_VECTOR_FN Tile tile_at(const RasterizeInputs& in, const TileLists& lists, int64_t index) {
  Tile tile;
  tile.left = static_cast<int>(index % lists.columns) * kTileSize, tile.top = static_cast<int>(index / lists.columns) * kTileSize;
  tile.width = in.width - tile.left < kTileSize ? in.width - tile.left : kTileSize;
  tile.height = in.height - tile.top < kTileSize ? in.height - tile.top : kTileSize;
  tile.begin = lists.instances + lists.tile_begin[index];
  tile.count = lists.tile_begin[index + 1] - lists.tile_begin[index];
  return tile;
}

// Channels are blended in slices of this many: what a tile needs stays in the first-level cache and on the stack, for any number of them.
constexpr int kSlice = 32;

struct Slice {
  int64_t first;
  int size;
};

OMG_VECTOR_FN int64_t num_slices(const RasterizeInputs& in) { return (in.num_channels + kSlice - 1) / kSlice; }

OMG_VECTOR_FN Slice slice_at(const RasterizeInputs& in, int64_t index) {
  const int64_t first = index * kSlice, left = in.num_channels - first;
  return {first, static_cast<int>(left < kSlice ? left : kSlice)};
}

// Pixel centres of a block's lanes relative to the block's corner.
struct LaneOffsets {
  Float x, y;
};

OMG_VECTOR_FN LaneOffsets lane_offsets() {
  alignas(64) float x[kLanes], y[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = lane % kBlockWidth + 0.5f, y[lane] = lane / kBlockWidth + 0.5f;
  return {load(x), load(y)};
}

// The blocks that a splat's bounding box reaches, as ranges of block columns and rows; ends excluded.
struct BlockRange {
  int first_column, end_column, first_row, end_row;
};

OMG_VECTOR_FN BlockRange blocks_reached(const Footprint<float>& f, const Tile& tile) {
  constexpr float kPerWidth = 1.0f / kBlockWidth, kPerHeight = 1.0f / kBlockHeight;
  const float x = f.x - tile.left, y = f.y - tile.top;
  const float first_column = __builtin_ceilf((x - f.half_x - (kBlockWidth - 0.5f)) * kPerWidth);
  const float last_column = __builtin_floorf((x + f.half_x - 0.5f) * kPerWidth);
  const float first_row = __builtin_ceilf((y - f.half_y - (kBlockHeight - 0.5f)) * kPerHeight);
  const float last_row = __builtin_floorf((y + f.half_y - 0.5f) * kPerHeight);
  return {static_cast<int>(maximum(first_column, 0.0f)), static_cast<int>(minimum(last_column, kBlockColumns - 1.0f)) + 1,
          static_cast<int>(maximum(first_row, 0.0f)), static_cast<int>(minimum(last_row, kBlockRows - 1.0f)) + 1};
}

// A splat at the pixels of one block. Both passes call this one function, so they see the same alpha to the last bit.
struct Alpha {
  Float u, v;        // whitened offsets
  Float unclamped;   // opacity times falloff
  Float clamped;
  Mask visible;      // alpha >= kMinAlpha
};

OMG_VECTOR_FN Mask reaches(const Footprint<float>& f, Float x, Float y, Alpha* a, Float* exponent) {
  const Float dx = x - Float(f.x), dy = y - Float(f.y);
  a->u = fma(Float(f.xx), dx, Float(f.xy) * dy);
  a->v = Float(f.yy) * dy;
  *exponent = fma(a->u, a->u, a->v * a->v);
  return *exponent <= Float(f.limit);
}

OMG_VECTOR_FN void evaluate(const Footprint<float>& f, Float exponent, Alpha* a) {
  a->unclamped = Float(f.opacity) * exp2(-exponent);
  a->clamped = minimum(a->unclamped, Float(kMaxAlpha));
  a->visible = a->clamped >= Float(kMinAlpha);
}

// Lanes of a block whose pixels lie in the image.
OMG_VECTOR_FN Mask inside_image(const Tile& tile, int block) {
  const int x = block % kBlockColumns * kBlockWidth, y = block / kBlockColumns * kBlockHeight;
  uint32_t inside = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (x + lane % kBlockWidth < tile.width && y + lane / kBlockWidth < tile.height) inside |= 1u << lane;
  }
  return from_bits(inside);
}

// Index in an image of the pixel of a lane (which must lie inside).
OMG_VECTOR_FN int64_t pixel_index(const RasterizeInputs& in, const Tile& tile, int block, int lane) {
  const int64_t y = tile.top + block / kBlockColumns * kBlockHeight + lane / kBlockWidth;
  return y * in.width + tile.left + block % kBlockColumns * kBlockWidth + lane % kBlockWidth;
}

// Moves one block of a [H, W] image to or from lanes; lanes outside the image read as zero and are not written.
OMG_VECTOR_FN Float read_block(const float* image, const RasterizeInputs& in, const Tile& tile, int block, uint32_t inside) {
  alignas(64) float lanes[kLanes] = {};
  for (; inside != 0; inside &= inside - 1) {
    const int lane = __builtin_ctz(inside);
    lanes[lane] = image[pixel_index(in, tile, block, lane)];
  }
  return load(lanes);
}

template <typename T>
OMG_VECTOR_FN void write_block(T* image, const RasterizeInputs& in, const Tile& tile, int block, uint32_t inside, const T* lanes) {
  for (; inside != 0; inside &= inside - 1) {
    const int lane = __builtin_ctz(inside);
    image[pixel_index(in, tile, block, lane)] = lanes[lane];
  }
}

}  // namespace omg::cpu::OMG_SIMD
