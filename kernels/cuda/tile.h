// What both blending kernels share: a block's tile, the walk over its row of the mask, and a splat's alpha at a pixel.
#pragma once

#include "stages.h"

namespace omg::cuda {

// A block draws a tile of 16x16 pixels; each of its 8 warps a part of 8x4 of them, one pixel per lane.
constexpr int kBlockThreads = kTileSize * kTileSize;
constexpr int kNumWarps = kBlockThreads / kWarpSize;
constexpr int kPartWidth = 8, kPartHeight = 4;
constexpr int kMaxChannels = 32;  // of one block; more are spread over blocks
constexpr int kBatch = 64;        // splats in shared memory at a time
// Words of the mask that are unpacked at once. The tests' build takes less, to scan more often.
#if !defined(OMG_SCAN_WORDS)
#define OMG_SCAN_WORDS 128
#endif
constexpr int kScanWords = OMG_SCAN_WORDS;
static_assert(kScanWords <= kBlockThreads);

struct Pixel {
  int64_t view;
  int column, row;  // of the tile, in tiles
  int x, y;         // pixels
  int part_x, part_y;  // the first pixel of the warp's part
  bool inside;
  int64_t index;  // in an image [H, W]
};

__device__ __forceinline__ Pixel pixel_of_thread(const Scene& scene, Band band) {
  const TileGrid grid = tile_grid(scene);
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  Pixel p;
  p.view = blockIdx.z;
  p.column = static_cast<int>(blockIdx.x) % grid.columns;
  p.row = static_cast<int>(blockIdx.x) / grid.columns + band.first_row;
  p.part_x = p.column * kTileSize + warp % (kTileSize / kPartWidth) * kPartWidth;
  p.part_y = p.row * kTileSize + warp / (kTileSize / kPartWidth) * kPartHeight;
  p.x = p.part_x + lane % kPartWidth;
  p.y = p.part_y + lane / kPartWidth;
  p.inside = p.x < scene.width && p.y < scene.height;
  p.index = static_cast<int64_t>(p.y) * scene.width + p.x;
  return p;
}

// The channels that a block of the slice blockIdx.y works on.
struct Slice {
  int64_t first;
  int size;
};

__device__ __forceinline__ Slice slice_of_block(const Scene& scene, int channels_per_block) {
  const int64_t first = static_cast<int64_t>(blockIdx.y) * channels_per_block, rest = scene.num_channels - first;
  return {first, static_cast<int>(rest < channels_per_block ? rest : channels_per_block)};
}

// A pixel's channels of a slice, in whole 16-byte accesses where the slice is full and its rows are aligned to them.
__device__ __forceinline__ bool takes_vectors(const Scene& scene, Slice slice, int channels_per_block) {
  return slice.size == channels_per_block && scene.num_channels % 4 == 0;
}

template <int kChannels>
__device__ __forceinline__ void load_channels(const Scene& scene, Slice slice, const float* from,
                                              float (&to)[kChannels]) {
  if (takes_vectors(scene, slice, kChannels)) {
    OMG_UNROLL for (int c = 0; c < kChannels; c += 4) {
      const float4 v = *reinterpret_cast<const float4*>(from + c);
      to[c] = v.x, to[c + 1] = v.y, to[c + 2] = v.z, to[c + 3] = v.w;
    }
  } else {
    OMG_UNROLL for (int c = 0; c < kChannels; ++c) to[c] = c < slice.size ? from[c] : 0.0f;
  }
}

template <int kChannels>
__device__ __forceinline__ void store_channels(const Scene& scene, Slice slice, const float (&from)[kChannels],
                                               float* to) {
  if (takes_vectors(scene, slice, kChannels)) {
    OMG_UNROLL for (int c = 0; c < kChannels; c += 4)
      *reinterpret_cast<float4*>(to + c) = float4{from[c], from[c + 1], from[c + 2], from[c + 3]};
  } else {
    OMG_UNROLL for (int c = 0; c < kChannels; ++c) {
      if (c < slice.size) to[c] = from[c];
    }
  }
}

__device__ __forceinline__ const uint32_t* mask_row(const Scene& scene, const TileMask& mask, const Pixel& p,
                                                    Band band) {
  const TileGrid grid = tile_grid(scene);
  const int64_t tile = static_cast<int64_t>(p.row - band.first_row) * grid.columns + p.column;
  return mask.words + (p.view * mask.rows_per_band * grid.columns + tile) * mask.words_per_tile;
}

// The ranks of splats that wait for their turn, and the batch whose turn it is.
template <int kChannels>
struct alignas(16) Queue {
  uint32_t ranks[kScanWords * 32 + kBatch];
  int warp_totals[kNumWarps];
  Splat splats[kBatch];
  float features[kBatch][kChannels];
};

// Appends the set bits of up to kScanWords words from `word` on, upward or downward, to the queue of `queued` ranks;
// returns the new number. All threads call it.
template <int kChannels, bool kUpward>
__device__ int unpack_words(const uint32_t* row, int64_t num_words, int64_t word, int queued, Queue<kChannels>* queue) {
  const int thread = threadIdx.x, lane = thread % kWarpSize, warp = thread / kWarpSize;
  const int64_t mine = kUpward ? word + thread : word - thread;
  uint32_t bits = thread < kScanWords && mine >= 0 && mine < num_words ? row[mine] : 0;
  int offset = __popc(bits);
  for (int step = 1; step < kWarpSize; step *= 2) {
    const int other = __shfl_up_sync(kAllLanes, offset, step);
    if (lane >= step) offset += other;
  }
  if (lane == kWarpSize - 1) queue->warp_totals[warp] = offset;
  offset += queued - __popc(bits);
  __syncthreads();
  for (int i = 0; i < kNumWarps; ++i) {
    const int total = queue->warp_totals[i];
    if (i < warp) offset += total;
    queued += total;
  }
  while (bits != 0) {
    const int bit = kUpward ? __ffs(static_cast<int>(bits)) - 1 : 31 - __clz(static_cast<int>(bits));
    bits &= ~(1u << bit);
    queue->ranks[offset++] = static_cast<uint32_t>(mine * 32 + bit);
  }
  __syncthreads();
  return queued;
}

// Brings the splats queue->ranks[begin ... begin + count) and a slice of their features into shared memory. All threads
// call it; the channels beyond the slice become zero.
template <int kChannels>
__device__ void stage_batch(const Scene& scene, const Splat* splats, const float* features, Slice slice, int begin,
                            int count, Queue<kChannels>* queue) {
  constexpr int kParts = sizeof(Splat) / sizeof(float4);
  for (int i = threadIdx.x; i < count * kParts; i += kBlockThreads) {
    const Splat* from = splats + queue->ranks[begin + i / kParts];
    reinterpret_cast<float4*>(queue->splats)[i] = reinterpret_cast<const float4*>(from)[i % kParts];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < count * kChannels; i += kBlockThreads) {
    const int channel = i % kChannels;
    const int64_t row = static_cast<int64_t>(queue->splats[i / kChannels].id) * scene.num_channels;
    queue->features[i / kChannels][channel] = channel < slice.size ? features[row + slice.first + channel] : 0.0f;
  }
  __syncthreads();
}

// True where the splat's ellipse reaches the part of a tile that a warp draws.
__device__ __forceinline__ bool reaches_part(const Splat& s, int part_x, int part_y) {
  const Footprint<float> f = footprint_of(s);
  const Span span = ellipse_span(f, part_y + 0.5f - f.y, part_y + kPartHeight - 0.5f - f.y);
  return span.left <= span.right && f.x + span.left <= part_x + kPartWidth - 0.5f && f.x + span.right >= part_x + 0.5f;
}

// A splat at a pixel. Both passes call this one function, in code without contraction, so they see the same alpha to the
// last bit.
struct Alpha {
  float u, v;  // whitened offsets
  float unclamped, clamped;
  bool visible;
};

__device__ __forceinline__ Alpha alpha_at(const Splat& s, float x, float y) {
  const float dx = x - s.x, dy = y - s.y;
  Alpha a;
  a.u = fmaf(s.xx, dx, s.xy * dy);
  a.v = s.yy * dy;
  const float exponent = fmaf(-a.u, a.u, -(a.v * a.v));
  a.unclamped = s.opacity * exp2_fast(exponent);
  a.clamped = minimum(a.unclamped, kMaxAlpha);
  a.visible = exponent >= -s.limit && a.clamped >= kMinAlpha;
  return a;
}

// Calls function<kChannels>() with the fewest channels per block that a scene needs.
#define OMG_DISPATCH_CHANNELS(num_channels, function, ...) \
  ((num_channels) <= 4 ? function<4>(__VA_ARGS__)          \
   : (num_channels) <= 8 ? function<8>(__VA_ARGS__)        \
   : (num_channels) <= 16 ? function<16>(__VA_ARGS__)      \
                          : function<kMaxChannels>(__VA_ARGS__))

}  // namespace omg::cuda
