// Stage 1: Gaussians to splats, kLanes at a time; then one sort by depth.
#include <cstring>

#include "lanes.h"
#include "stages.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int64_t kChunk = 1024;  // Gaussians per work item

// A splat's sort key. The bits of positive floats are ordered like the floats.
struct Key {
  uint32_t depth;
  int32_t index;
};

// Zero times the sum of all that a Gaussian is made of, per lane: zero unless something is infinite or not a number.
Float times_zero(const RasterizeInputs& in, const Gaussian<Float>& g, Float opacity, int64_t first, int count) {
  Float sum = opacity + g.mean[0] + g.mean[1] + g.mean[2] + g.quat[0] + g.quat[1] + g.quat[2] + g.quat[3];
  sum = Float(0.0f) * sum + Float(0.0f) * (g.scale[0] + g.scale[1] + g.scale[2]);
  alignas(64) float features[kLanes] = {};
  for (int lane = 0; lane < count; ++lane) {
    const float* row = in.features + (first + lane) * in.num_channels;
    Float total = 0.0f;
    int64_t c = 0;
    for (; c + kLanes <= in.num_channels; c += kLanes) total = total + Float(0.0f) * load(row + c);
    alignas(64) float parts[kLanes];
    store(parts, total);
    for (int i = 0; i < kLanes; ++i) features[lane] += parts[i];
    for (; c < in.num_channels; ++c) features[lane] += 0.0f * row[c];
  }
  return sum + load(features);
}

// The range of tiles (or blocks) of `size` pixels, of `limit` in all, that hold a pixel centre in [low, high].
struct Range {
  int first, last;
};

Range cells_between(float low, float high, float size, int limit) {
  const float first = __builtin_ceilf((low - (size - 0.5f)) / size), last = __builtin_floorf((high - 0.5f) / size);
  return {static_cast<int>(minimum(maximum(first, 0.0f), static_cast<float>(limit))),
          static_cast<int>(minimum(maximum(last, -1.0f), static_cast<float>(limit - 1)))};
}

struct Outcome {
  int kept, not_finite;
};

// Appends those of `count` Gaussians that reach the image to `splats`.
Outcome project_lanes(const RasterizeInputs& in, const PinholeCamera& camera, TileGrid grid, int64_t first, int count,
                      Splat* splats) {
  const Gaussian<Float> g = load_gaussians(in, first, count);
  const Float opacity = load_rows(in.opacities, 1, 0, first, count);
  const Projection<Float> p = project(linearize(g, camera), camera, in.blur);
  const Footprint<Float> f = make_footprint(p, opacity);
  const Float finite = times_zero(in, g, opacity, first, count) + times_zero(camera);
  const uint32_t lanes = (1u << count) - 1u;
  uint32_t drawable = bits(is_drawable(p, f, finite, in.near)) & lanes;
  const int not_finite = __builtin_popcount(~bits(finite == Float(0.0f)) & lanes);
  constexpr int kFields = 11;
  const Float fields[kFields] = {f.x, f.y, f.xx, f.xy, f.yy, f.opacity, f.limit, f.half_x, f.half_y, f.lean, p.depth};
  alignas(64) float rows[kFields][kLanes];
  for (int i = 0; i < kFields; ++i) store(rows[i], fields[i]);
  int kept = 0;
  for (; drawable != 0; drawable &= drawable - 1) {
    const int lane = __builtin_ctz(drawable);
    float v[kFields];
    for (int i = 0; i < kFields; ++i) v[i] = rows[i][lane];
    const Footprint<float> shape = {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]};
    const Range x = cells_between(shape.x - shape.half_x, shape.x + shape.half_x, kTileSize, grid.columns);
    const Range y = cells_between(shape.y - shape.half_y, shape.y + shape.half_y, kTileSize, grid.rows);
    if (x.first > x.last || y.first > y.last) continue;
    splats[kept++] = {shape, v[10], static_cast<int32_t>(first + lane), static_cast<int16_t>(y.first),
                      static_cast<int16_t>(y.last)};
  }
  return {kept, not_finite};
}

// Stable radix sort by depth: three passes of 11 bits. Returns the array that holds the result, `keys` or `spare`.
Key* sort_by_depth(Key* keys, Key* spare, int32_t count) {
  constexpr int kBits = 11, kBuckets = 1 << kBits, kPasses = 3;
  int32_t offsets[kPasses][kBuckets];
  std::memset(offsets, 0, sizeof offsets);
  for (int32_t i = 0; i < count; ++i) {
    for (int pass = 0; pass < kPasses; ++pass) ++offsets[pass][(keys[i].depth >> (pass * kBits)) & (kBuckets - 1)];
  }
  for (int pass = 0; pass < kPasses; ++pass) {
    int32_t total = 0;
    for (int32_t& offset : offsets[pass]) {
      const int32_t size = offset;
      offset = total;
      total += size;
    }
    for (int32_t i = 0; i < count; ++i)
      spare[offsets[pass][(keys[i].depth >> (pass * kBits)) & (kBuckets - 1)]++] = keys[i];
    Key* sorted = spare;
    spare = keys;
    keys = sorted;
  }
  return keys;
}

}  // namespace

Splats project_and_sort(const RasterizeInputs& in, const Arena& arena, const Parallel& parallel) {
  const PinholeCamera camera = make_camera(in.world_to_camera, in.intrinsics, in.width, in.height);
  const TileGrid grid = tile_grid(in);
  const int64_t n = in.num_gaussians, chunks = (n + kChunk - 1) / kChunk;
  Splat* found = arena.array<Splat>(n);  // each chunk fills a prefix of its own stretch
  int32_t* kept = arena.array<int32_t>(chunks);
  int32_t* not_finite = arena.array<int32_t>(chunks);
  parallel(chunks, [&](int64_t chunk) {
    const int64_t begin = chunk * kChunk, end = begin + kChunk < n ? begin + kChunk : n;
    Splat* out = found + begin;
    not_finite[chunk] = 0;
    for (int64_t i = begin; i < end; i += kLanes) {
      const int count = static_cast<int>(end - i < kLanes ? end - i : kLanes);
      const Outcome outcome = project_lanes(in, camera, grid, i, count, out);
      out += outcome.kept, not_finite[chunk] += outcome.not_finite;
    }
    kept[chunk] = static_cast<int32_t>(out - (found + begin));
  });
  Key* keys = arena.array<Key>(n);
  int32_t count = 0, total_not_finite = 0;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    total_not_finite += not_finite[chunk];
    for (int32_t i = 0; i < kept[chunk]; ++i) {
      const int32_t index = static_cast<int32_t>(chunk * kChunk + i);
      std::memcpy(&keys[count].depth, &found[index].depth, sizeof(float));
      keys[count++].index = index;
    }
  }
  const Key* sorted = sort_by_depth(keys, arena.array<Key>(n), count);
  Splat* splats = arena.array<Splat>(count);
  parallel((count + kChunk - 1) / kChunk, [&](int64_t chunk) {
    const int64_t end = (chunk + 1) * kChunk < count ? (chunk + 1) * kChunk : count;
    for (int64_t i = chunk * kChunk; i < end; ++i) splats[i] = found[sorted[i].index];
  });
  return {splats, count, total_not_finite};
}

}  // namespace omg::cpu::OMG_SIMD
