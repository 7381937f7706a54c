// A tile of 16x16 pixels as SIMD blocks of 4 x (kLanes / 4) pixels, and what both blending passes do alike.
#pragma once

#include <cstdint>
#include <cstring>

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
  tile.left = static_cast<int>(index % lists.columns) * kTileSize,
  tile.top = static_cast<int>(index / lists.columns) * kTileSize;
  tile.width = in.width - tile.left < kTileSize ? in.width - tile.left : kTileSize;
  tile.height = in.height - tile.top < kTileSize ? in.height - tile.top : kTileSize;
  tile.begin = lists.instances + lists.tile_begin[index];
  tile.count = lists.tile_begin[index + 1] - lists.tile_begin[index];
  return tile;
}

// Channels are blended in slices of this many: what a tile needs stays in the first-level cache and on the stack, for
// any number of them.
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

// Splats of a tile are neighbours in the image, not in memory: without being fetched ahead, each would wait for the
// third-level cache.
constexpr int32_t kFetchAhead = 12;

OMG_VECTOR_FN void fetch(const Splats& splats, const Tile& tile, int32_t position) {
  if (position >= 0 && position < tile.count) __builtin_prefetch(&splats.array[tile.begin[position].rank]);
}

OMG_VECTOR_FN void fetch_features(const float* features, int size) {
  constexpr int kPerLine = 16;
  for (int c = 0; c < size; c += kPerLine) __builtin_prefetch(features + c);
}

// The centres of a tile's pixels, in pixels of the image: x of every column of blocks, y of every row.
struct PixelCentres {
  Float x[kBlockColumns], y[kBlockRows];
};

OMG_VECTOR_FN PixelCentres pixel_centres(const Tile& tile) {
  alignas(64) float x[kLanes], y[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) x[lane] = lane % kBlockWidth + 0.5f, y[lane] = lane / kBlockWidth + 0.5f;
  PixelCentres centres;
  for (int i = 0; i < kBlockColumns; ++i) centres.x[i] = load(x) + Float(tile.left + i * kBlockWidth);
  for (int i = 0; i < kBlockRows; ++i) centres.y[i] = load(y) + Float(tile.top + i * kBlockHeight);
  return centres;
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
  return {static_cast<int>(maximum(first_column, 0.0f)),
          static_cast<int>(minimum(last_column, kBlockColumns - 1.0f)) + 1, static_cast<int>(maximum(first_row, 0.0f)),
          static_cast<int>(minimum(last_row, kBlockRows - 1.0f)) + 1};
}

// A splat at the pixels of one block. Both passes call this one function, so they see the same alpha to the last bit.
struct Alpha {
  Float u, v;       // whitened offsets
  Float unclamped;  // opacity times falloff
  Float clamped;
  Mask visible;  // alpha >= kMinAlpha
};

OMG_VECTOR_FN Mask reaches(const Footprint<float>& f, Float x, Float y, Alpha* a, Float* exponent) {
  const Float dx = x - Float(f.x), dy = y - Float(f.y);
  a->u = fma(Float(f.xx), dx, Float(f.xy) * dy);
  a->v = Float(f.yy) * dy;
  *exponent = minus_product(-(a->v * a->v), a->u, a->u);
  return *exponent >= Float(-f.limit);
}

OMG_VECTOR_FN void evaluate(const Footprint<float>& f, Float exponent, Alpha* a) {
  a->unclamped = Float(f.opacity) * exp2(exponent);
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

// A run of pixels of one block that are neighbours in a row of the image. Both ends of the copies below walk over
// these.
struct Run {
  int lane;       // of its first pixel
  int length;     // at most kBlockWidth; 0 if the run lies outside the image
  int64_t pixel;  // index of its first pixel in the image
};

OMG_VECTOR_FN Run run_at(const RasterizeInputs& in, const Tile& tile, int block, int row) {
  const int x = block % kBlockColumns * kBlockWidth, y = block / kBlockColumns * kBlockHeight + row;
  const int length = y < tile.height ? (tile.width - x < kBlockWidth ? tile.width - x : kBlockWidth) : 0;
  return {row * kBlockWidth, length > 0 ? length : 0, static_cast<int64_t>(tile.top + y) * in.width + tile.left + x};
}

// Moves one block of a [H, W] image to or from lanes; lanes outside the image read as zero and are not written.
template <typename T>
OMG_VECTOR_FN void read_block(const T* image, const RasterizeInputs& in, const Tile& tile, int block, T* lanes) {
  for (int row = 0; row < kBlockHeight; ++row) {
    const Run run = run_at(in, tile, block, row);
    for (int i = 0; i < kBlockWidth; ++i) lanes[run.lane + i] = i < run.length ? image[run.pixel + i] : T(0);
  }
}

template <typename T>
OMG_VECTOR_FN void write_block(T* image, const RasterizeInputs& in, const Tile& tile, int block, const T* lanes) {
  for (int row = 0; row < kBlockHeight; ++row) {
    const Run run = run_at(in, tile, block, row);
    if (run.length == kBlockWidth) {
      std::memcpy(image + run.pixel, lanes + run.lane, kBlockWidth * sizeof(T));
    } else {
      for (int i = 0; i < run.length; ++i) image[run.pixel + i] = lanes[run.lane + i];
    }
  }
}

// 4x4 floats at a time: images keep the channels of a pixel together, blending the pixels of a channel.
typedef float Quad __attribute__((vector_size(16)));

OMG_VECTOR_FN void transpose_quad(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  Quad a, b, c, d;
  std::memcpy(&a, from, sizeof a), std::memcpy(&b, from + from_stride, sizeof b);
  std::memcpy(&c, from + 2 * from_stride, sizeof c), std::memcpy(&d, from + 3 * from_stride, sizeof d);
  const Quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
  std::memcpy(to, &a, sizeof a), std::memcpy(to + to_stride, &b, sizeof b);
  std::memcpy(to + 2 * to_stride, &c, sizeof c), std::memcpy(to + 3 * to_stride, &d, sizeof d);
}

// A slice of the channels of one block of a [H, W, C] image, from or to [channel][lane].
OMG_VECTOR_FN void read_channels(const float* image, const RasterizeInputs& in, const Tile& tile, Slice slice,
                                 int block, float (*channels)[kLanes]) {
  for (int row = 0; row < kBlockHeight; ++row) {
    const Run run = run_at(in, tile, block, row);
    const float* pixels = image + run.pixel * in.num_channels + slice.first;
    int c = 0;
    if (run.length == kBlockWidth) {
      for (; c + 4 <= slice.size; c += 4) transpose_quad(pixels + c, in.num_channels, &channels[c][run.lane], kLanes);
    }
    for (; c < slice.size; ++c) {
      for (int i = 0; i < kBlockWidth; ++i)
        channels[c][run.lane + i] = i < run.length ? pixels[i * in.num_channels + c] : 0.0f;
    }
  }
}

OMG_VECTOR_FN void write_channels(float* image, const RasterizeInputs& in, const Tile& tile, Slice slice, int block,
                                  const float (*channels)[kLanes]) {
  for (int row = 0; row < kBlockHeight; ++row) {
    const Run run = run_at(in, tile, block, row);
    float* pixels = image + run.pixel * in.num_channels + slice.first;
    int c = 0;
    if (run.length == kBlockWidth) {
      for (; c + 4 <= slice.size; c += 4) transpose_quad(&channels[c][run.lane], kLanes, pixels + c, in.num_channels);
    }
    for (; c < slice.size; ++c) {
      for (int i = 0; i < run.length; ++i) pixels[i * in.num_channels + c] = channels[c][run.lane + i];
    }
  }
}

}  // namespace omg::cpu::OMG_SIMD
