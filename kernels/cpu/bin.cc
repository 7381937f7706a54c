// Stage 2: which splats reach which tiles. The exact test of a splat against a row of tiles runs once per pair and its
// answer is stored, so the pass that counts and the pass that scatters can never disagree.
#include <cstring>

#include "stages.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int64_t kChunk = 4096;  // splats per work item

struct TileSpan {
  uint16_t first, end;
};

// The tiles of one row of tiles that the splat's alpha >= kMinAlpha ellipse reaches at some pixel centre's height.
__attribute__((noinline)) TileSpan tiles_reached(const Footprint<float>& f, int row, int columns, int height) {
  const float top = row * kTileSize + 0.5f;
  const float bottom = minimum(row * kTileSize + kTileSize - 0.5f, height - 0.5f);
  const Span span = ellipse_span(f, top - f.y, bottom - f.y);
  if (!(span.left <= span.right)) return {0, 0};
  const float first = __builtin_ceilf((f.x + span.left - (kTileSize - 0.5f)) * (1.0f / kTileSize));
  const float end = __builtin_floorf((f.x + span.right - 0.5f) * (1.0f / kTileSize)) + 1.0f;
  if (!(first < end) || first >= columns || end <= 0.0f) return {0, 0};
  return {static_cast<uint16_t>(maximum(first, 0.0f)),
          static_cast<uint16_t>(minimum(end, static_cast<float>(columns)))};
}

}  // namespace

bool bin(const RasterizeInputs& in, const Splats& splats, const Arena& arena, const Parallel& parallel,
         TileLists* lists) {
  const TileGrid grid = tile_grid(in);
  const int64_t tiles = static_cast<int64_t>(grid.columns) * grid.rows, chunks = (splats.count + kChunk - 1) / kChunk;
  int64_t* row_begin = arena.array<int64_t>(splats.count + 1);
  row_begin[0] = 0;
  for (int32_t i = 0; i < splats.count; ++i)
    row_begin[i + 1] = row_begin[i] + splats.array[i].last_row - splats.array[i].first_row + 1;
  TileSpan* spans = arena.array<TileSpan>(row_begin[splats.count]);
  int32_t* slot_begin = arena.array<int32_t>(in.num_gaussians + 1);
  std::memset(slot_begin, 0, (in.num_gaussians + 1) * sizeof *slot_begin);
  int32_t* chunk_tiles =
      arena.array<int32_t>(chunks * tiles);  // instances per chunk and tile, then where in the list they go
  int64_t* chunk_total = arena.array<int64_t>(chunks);

  parallel(chunks, [&](int64_t chunk) {
    int32_t* tile_count = chunk_tiles + chunk * tiles;
    std::memset(tile_count, 0, tiles * sizeof *tile_count);
    const int64_t end = (chunk + 1) * kChunk < splats.count ? (chunk + 1) * kChunk : splats.count;
    int64_t total = 0;
    for (int64_t i = chunk * kChunk; i < end; ++i) {
      const Splat& splat = splats.array[i];
      int32_t reached = 0;
      TileSpan* span = spans + row_begin[i];
      for (int row = splat.first_row; row <= splat.last_row; ++row, ++span) {
        *span = tiles_reached(splat.shape, row, grid.columns, in.height);
        for (int column = span->first; column < span->end; ++column) ++tile_count[row * grid.columns + column];
        reached += span->end - span->first;
      }
      slot_begin[splat.id] = reached;
      total += reached;
    }
    chunk_total[chunk] = total;
  });

  int64_t total = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) total += chunk_total[chunk];
  if (total > INT32_MAX) return false;
  int32_t slot = 0;
  for (int64_t id = 0; id <= in.num_gaussians; ++id) {
    const int32_t reached = slot_begin[id];
    slot_begin[id] = slot;
    slot += reached;
  }
  int32_t* tile_begin = arena.array<int32_t>(tiles + 1);
  int32_t begin = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    tile_begin[tile] = begin;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const int32_t count = chunk_tiles[chunk * tiles + tile];
      chunk_tiles[chunk * tiles + tile] = begin;
      begin += count;
    }
  }
  tile_begin[tiles] = begin;

  Instance* instances = arena.array<Instance>(total);
  parallel(chunks, [&](int64_t chunk) {
    int32_t* next = chunk_tiles + chunk * tiles;
    const int64_t end = (chunk + 1) * kChunk < splats.count ? (chunk + 1) * kChunk : splats.count;
    for (int64_t i = chunk * kChunk; i < end; ++i) {
      const Splat& splat = splats.array[i];
      int32_t slot = slot_begin[splat.id];
      const TileSpan* span = spans + row_begin[i];
      for (int row = splat.first_row; row <= splat.last_row; ++row, ++span) {
        for (int column = span->first; column < span->end; ++column) {
          instances[next[row * grid.columns + column]++] = {static_cast<int32_t>(i), slot++};
        }
      }
    }
  });
  *lists = {grid.columns, grid.rows, instances, tile_begin, slot_begin, static_cast<int32_t>(total)};
  return true;
}

}  // namespace omg::cpu::OMG_SIMD
