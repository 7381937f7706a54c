// Stages 1 and 2: Gaussians to splats, their order by depth, and which tiles they reach.
#include "stages.h"

namespace omg::cuda {
namespace {

constexpr int kThreads = 256;
// Memory for the tile mask; pictures that need more are drawn in bands. The tests' build sets less.
#if !defined(OMG_MASK_BYTES)
#define OMG_MASK_BYTES (int64_t{256} << 20)
#endif
constexpr int64_t kMaxMaskBytes = OMG_MASK_BYTES;

// Zero, unless an input of the Gaussian is infinite or not a number.
OMG_FN float gaussian_times_zero(const Scene& scene, int64_t view, int64_t id, const Gaussian<float>& g, float opacity) {
  float sum = 0.0f * opacity;
  for (int i = 0; i < 3; ++i) sum += 0.0f * g.mean[i] + 0.0f * g.scale[i];
  for (int i = 0; i < 4; ++i) sum += 0.0f * g.quat[i];
  const float* features = item(scene.features, scene.batch, view, scene.num_gaussians * scene.num_channels);
  for (int64_t c = 0; c < scene.num_channels; ++c) sum += 0.0f * features[id * scene.num_channels + c];
  return sum;
}

// Tiles from `first` up to and without `end`, of `limit`, that hold a pixel centre in [low, high].
struct Range {
  int first, end;
};

OMG_FN Range tiles_between(float low, float high, int limit) {
  const float first = ceilf((low - (kTileSize - 0.5f)) * (1.0f / kTileSize));
  const float last = floorf((high - 0.5f) * (1.0f / kTileSize));
  return {static_cast<int>(minimum(maximum(first, 0.0f), static_cast<float>(limit))),
          static_cast<int>(minimum(maximum(last, -1.0f), static_cast<float>(limit - 1))) + 1};
}

// The tiles of one row of tiles that the splat's alpha >= kMinAlpha ellipse reaches.
OMG_FN Range tiles_of_row(const Footprint<float>& f, int row, TileGrid grid, int height) {
  const float top = row * kTileSize + 0.5f;
  const float bottom = minimum(row * kTileSize + kTileSize - 0.5f, height - 0.5f);
  const Span span = ellipse_span(f, top - f.y, bottom - f.y);
  if (!(span.left <= span.right)) return {0, 0};
  return tiles_between(f.x + span.left, f.x + span.right, grid.columns);
}

struct Outcome {
  bool drawn, finite;
};

__device__ Outcome project_one(const Scene& scene, const Binning& binning, int64_t view, int64_t id) {
  const PinholeCamera camera = camera_of(scene, view);
  const Gaussian<float> g = gaussian_at(scene, view, id);
  const float opacity = item(scene.opacities, scene.batch, view, scene.num_gaussians)[id];
  const Projection<float> p = project(linearize(g, camera), camera, scene.blur);
  const Footprint<float> f = make_footprint(p, opacity);
  const float finite = times_zero(camera) + gaussian_times_zero(scene, view, id, g, opacity);
  bool drawn = is_drawable(p, f, finite, scene.near);
  if (drawn) {
    const TileGrid grid = tile_grid(scene);
    const Range columns = tiles_between(f.x - f.half_x, f.x + f.half_x, grid.columns);
    const Range rows = tiles_between(f.y - f.half_y, f.y + f.half_y, grid.rows);
    drawn = columns.first < columns.end && rows.first < rows.end;
  }
  const int64_t index = view * scene.num_gaussians + id;
  binning.splats.by_id[index] = {f.x,    f.y,      f.xx,     f.xy,   f.yy, drawn ? f.opacity : 0.0f, f.limit, p.depth,
                                 f.half_x, f.half_y, f.lean, static_cast<int32_t>(id)};
  const uint32_t depth_bits = drawn ? __float_as_uint(p.depth) : kNotDrawn;
  binning.unsorted_keys[index] = static_cast<uint64_t>(view) << 32 | depth_bits;
  binning.unsorted_ids[index] = static_cast<uint32_t>(id);
  return {drawn, finite == 0.0f};
}

// Adds the number of lanes for which it is true to a counter of the view.
__device__ void count_lanes(bool predicate, Stat stat, const Binning& binning, int64_t view) {
  const unsigned lanes = __ballot_sync(kAllLanes, predicate);
  if (threadIdx.x % kWarpSize == 0 && lanes != 0)
    atomicAdd(&binning.counters[view * kNumStats + stat], static_cast<Counter>(__popc(lanes)));
}

__global__ void __launch_bounds__(kThreads) project_kernel(Scene scene, Binning binning) {
  const int64_t id = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, view = blockIdx.y;
  const Outcome outcome = id < scene.num_gaussians ? project_one(scene, binning, view, id) : Outcome{false, true};
  count_lanes(outcome.drawn, kVisible, binning, view);
  count_lanes(!outcome.finite, kNotFinite, binning, view);
}

// Marks the tiles of a band that one splat reaches; returns their number.
__device__ uint32_t bin_one(const Scene& scene, const Binning& binning, Band band, int64_t view, int64_t rank) {
  const int64_t index = view * scene.num_gaussians + rank;
  if (static_cast<uint32_t>(binning.splats.keys[index]) == kNotDrawn) return 0;
  const Splat splat = binning.splats.by_id[view * scene.num_gaussians + binning.sorted_ids[index]];
  if (band.first_row == 0) binning.splats.by_depth[index] = splat;
  const TileGrid grid = tile_grid(scene);
  const Footprint<float> f = footprint_of(splat);
  const Range rows = tiles_between(f.y - f.half_y, f.y + f.half_y, grid.rows);
  const int64_t tiles_of_band = static_cast<int64_t>(binning.mask.rows_per_band) * grid.columns;
  uint32_t* words = binning.mask.words + view * tiles_of_band * binning.mask.words_per_tile + rank / 32;
  const uint32_t bit = 1u << (rank % 32);
  uint32_t reached = 0;
  for (int row = rows.first > band.first_row ? rows.first : band.first_row; row < rows.end && row < band.end_row;
       ++row) {
    const Range columns = tiles_of_row(f, row, grid, scene.height);
    for (int column = columns.first; column < columns.end; ++column) {
      const int64_t tile = static_cast<int64_t>(row - band.first_row) * grid.columns + column;
      atomicOr(words + tile * binning.mask.words_per_tile, bit);
      ++reached;
    }
  }
  return reached;
}

__global__ void __launch_bounds__(kThreads) bin_kernel(Scene scene, Binning binning, Band band) {
  const int64_t rank = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x, view = blockIdx.y;
  uint32_t reached = rank < scene.num_gaussians ? bin_one(scene, binning, band, view, rank) : 0;
  for (int step = kWarpSize / 2; step > 0; step /= 2) reached += __shfl_xor_sync(kAllLanes, reached, step);
  if (threadIdx.x % kWarpSize == 0 && reached > 0)
    atomicAdd(&binning.counters[view * kNumStats + kPairs], static_cast<Counter>(reached));
}

int bits_for(int64_t count) {
  int bits = 0;
  while ((int64_t{1} << bits) < count) ++bits;
  return bits;
}

}  // namespace

Binning make_binning(const Scene& scene, Workspace* workspace) {
  const int64_t total = scene.batch.num_views * scene.num_gaussians;
  const TileGrid grid = tile_grid(scene);
  Binning binning;
  binning.splats.by_id = workspace->array<Splat>(total);
  binning.splats.by_depth = workspace->array<Splat>(total);
  binning.splats.keys = workspace->array<uint64_t>(total);
  binning.unsorted_keys = workspace->array<uint64_t>(total);
  binning.unsorted_ids = workspace->array<uint32_t>(total);
  binning.sorted_ids = workspace->array<uint32_t>(total);
  binning.sort_scratch_bytes = sort_scratch_bytes(total);
  binning.sort_scratch = workspace->array<char>(static_cast<int64_t>(binning.sort_scratch_bytes));
  binning.counters = workspace->array<Counter>(scene.batch.num_views * kNumStats);
  binning.mask.words_per_tile = (scene.num_gaussians + 31) / 32;
  const int64_t row_bytes = scene.batch.num_views * grid.columns * binning.mask.words_per_tile * 4;
  const int64_t rows = row_bytes > 0 ? kMaxMaskBytes / row_bytes : grid.rows;
  binning.mask.rows_per_band = static_cast<int>(rows < 1 ? 1 : rows > grid.rows ? grid.rows : rows);
  binning.mask.words = workspace->array<uint32_t>(scene.batch.num_views * binning.mask.rows_per_band * grid.columns *
                                                  binning.mask.words_per_tile);
  return binning;
}

Status project_and_sort(const Scene& scene, const Binning& binning, Stream stream) {
  const int64_t total = scene.batch.num_views * scene.num_gaussians;
  OMG_RETURN_IF_FAILED(
      fill_bytes(binning.counters, 0, scene.batch.num_views * kNumStats * sizeof(Counter), stream));
  if (total == 0) return kSuccess;
  const dim3 grid(num_blocks(scene.num_gaussians, kThreads), static_cast<unsigned>(scene.batch.num_views));
  OMG_RETURN_IF_FAILED(OMG_LAUNCH(project_kernel, grid, dim3(kThreads), stream, scene, binning));
  return sort_pairs(binning.sort_scratch, binning.sort_scratch_bytes, binning.unsorted_keys, binning.splats.keys,
                    binning.unsorted_ids, binning.sorted_ids, total, 32 + bits_for(scene.batch.num_views), stream);
}

Status bin(const Scene& scene, const Binning& binning, Band band, Stream stream) {
  const int64_t words = scene.batch.num_views * binning.mask.rows_per_band * tile_grid(scene).columns *
                        binning.mask.words_per_tile;
  if (words == 0) return kSuccess;
  OMG_RETURN_IF_FAILED(fill_bytes(binning.mask.words, 0, words * sizeof(uint32_t), stream));
  const dim3 grid(num_blocks(scene.num_gaussians, kThreads), static_cast<unsigned>(scene.batch.num_views));
  return OMG_LAUNCH(bin_kernel, grid, dim3(kThreads), stream, scene, binning, band);
}

}  // namespace omg::cuda
