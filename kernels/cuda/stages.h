// The stages of the CUDA rasterizer and what they hand to each other:
// project -> sort by depth -> bin into tiles -> blend (forward or backward) -> for the backward pass, finish.
#pragma once

#include "device.h"
#include "footprint.h"
#include "rasterizer.h"

namespace omg::cuda {

// A Gaussian on the image plane: three 16-byte loads. An opacity of zero marks one that is not drawn.
struct alignas(16) Splat {
  float x, y, xx, xy;
  float yy, opacity, limit, depth;
  float half_x, half_y, lean;
  int32_t id;  // row of the Gaussian in its view's arrays
};
static_assert(sizeof(Splat) == 48);

OMG_FN Footprint<float> footprint_of(const Splat& s) {
  return {s.x, s.y, s.xx, s.xy, s.yy, s.opacity, s.limit, s.half_x, s.half_y, s.lean};
}

struct TileGrid {
  int columns, rows;
};

OMG_FN TileGrid tile_grid(const Scene& scene) {
  return {(scene.width + kTileSize - 1) / kTileSize, (scene.height + kTileSize - 1) / kTileSize};
}

OMG_FN PinholeCamera camera_of(const Scene& scene, int64_t view) {
  return make_camera(item(scene.world_to_camera, scene.batch, view, 16),
                     item(scene.intrinsics, scene.batch, view, 9), scene.width, scene.height);
}

OMG_FN Gaussian<float> gaussian_at(const Scene& scene, int64_t view, int64_t id) {
  const float* mean = item(scene.means, scene.batch, view, 3 * scene.num_gaussians) + 3 * id;
  const float* quat = item(scene.quats, scene.batch, view, 4 * scene.num_gaussians) + 4 * id;
  const float* scale = item(scene.scales, scene.batch, view, 3 * scene.num_gaussians) + 3 * id;
  return {{mean[0], mean[1], mean[2]}, {quat[0], quat[1], quat[2], quat[3]}, {scale[0], scale[1], scale[2]}};
}

// The splats of all views, sorted by (view, depth, id): view v has the rows from v * N on, the drawn ones first.
struct SortedSplats {
  Splat* by_id;     // [views, N]
  Splat* by_depth;  // [views, N]: only the drawn ones are written
  uint64_t* keys;   // [views, N], sorted: view, then the bits of the depth
};

constexpr uint32_t kNotDrawn = 0xffffffffu;  // the key's lower half; above every depth

// Which splats reach which tiles: bit r % 32 of word r / 32 of a tile's row says it of the view's splat of rank r. A
// band of whole rows of tiles at a time, so that its memory does not grow with the picture's height.
struct TileMask {
  uint32_t* words;  // [views, tiles of a band, words_per_tile]
  int64_t words_per_tile;
  int rows_per_band;
};

struct Band {
  int first_row, end_row;  // of tiles
};

// A view's stats while they are counted.
using Counter = unsigned long long;
enum Stat { kVisible, kPairs, kOverflowed, kNotFinite };

// What project_and_sort and the binning need of the workspace, for either pass.
struct Binning {
  SortedSplats splats;
  TileMask mask;
  Counter* counters;  // [views, kNumStats]
  uint64_t* unsorted_keys;
  uint32_t *unsorted_ids, *sorted_ids;
  void* sort_scratch;
  size_t sort_scratch_bytes;
};
Binning make_binning(const Scene& scene, Workspace* workspace);

Status project_and_sort(const Scene& scene, const Binning& binning, Stream stream);
Status bin(const Scene& scene, const Binning& binning, Band band, Stream stream);

Status blend_forward(const Scene& scene, const Binning& binning, Band band, const Images& out, Stream stream);

// Gradients while they are being added up, per view and Gaussian: kNumGeometry numbers (the moments, the depth, one
// unused), and the features. With `scales` both are 64-bit fixed-point numbers, else floats.
constexpr int kNumGeometry = 8;
constexpr int kNumBounds = 5;
// A power of two in two factors: their product may lie beyond float's range, value x first x second does not. first is 0
// where all gradients are zero, NaN where one is not finite.
struct Scale {
  float first, second;
};
struct FixedPointScales {
  Scale geometry, features;
};
struct Sums {
  void* geometry;
  void* features;            // with floats this is the result itself
  FixedPointScales* scales;  // [views]; null: floats
  uint32_t* bounds;          // [views, kNumBounds]: bits of the largest magnitudes that the scales come from
  float* camera;             // [views, blocks of finish_geometry_kernel, kNumCameraNumbers]
};
Sums make_sums(const Scene& scene, bool deterministic, float* d_features, Workspace* workspace);

Status start_sums(const Scene& scene, const Cotangents& cotangents, const Binning& binning, const Sums& sums,
                  Stream stream);
Status blend_backward(const Scene& scene, const Binning& binning, Band band, const Cotangents& cotangents,
                      const Sums& sums, Stream stream);
Status finish_gradients(const Scene& scene, const Binning& binning, const Sums& sums, const Gradients& out,
                        Stream stream);

}  // namespace omg::cuda
