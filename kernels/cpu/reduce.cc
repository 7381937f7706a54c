// Stage 5 (backward pass): sums every splat's records in the order of its tiles, then goes back through the projection.
#include <cstring>

#include "lanes.h"
#include "stages.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int64_t kChunk = 1024;  // Gaussians per work item

// Adds up the records of a splat's instances: the first kFeatureOffset numbers into `geometry`, the others into the features' gradient.
// False if there are none.
bool sum_records(const RasterizeInputs& in, const TileLists& lists, const float* records, const uint8_t* touched, int64_t rank,
                 float* geometry, float* features) {
  bool found = false;
  for (int32_t slot = lists.slot_begin[rank]; slot < lists.slot_begin[rank + 1]; ++slot) {
    if (!touched[slot]) continue;
    found = true;
    const float* record = records + slot * record_size(in);
    for (int i = 0; i < kFeatureOffset; ++i) geometry[i] += record[i];
    for (int64_t c = 0; c < in.num_channels; ++c) features[c] += record[kFeatureOffset + c];
  }
  return found;
}

// Gradients of up to kLanes splats from their sums, [kFeatureOffset][kLanes]; `lanes` has a bit for every splat that has any.
void scatter_gradients(const RasterizeInputs& in, const PinholeCamera& camera, const int32_t* ids, int count, uint32_t lanes,
                       const float (*sums)[kLanes], const RasterizeGradients& out) {
  const Gaussian<Float> g = load_gaussians(in, ids, count);
  const LocalMap<Float> map = linearize(g, camera);
  const Footprint<Float> f = make_footprint(project(map, camera, in.blur), load_rows(in.opacities, 1, 0, ids, count));
  const Moments<Float> moments = {load(sums[0]), load(sums[1]), load(sums[2]), load(sums[3]), load(sums[4]), load(sums[5])};
  const Gaussian<Float> d = project_vjp(g, map, camera, footprint_vjp(f, moments, load(sums[6])));
  for (int k = 0; k < 3; ++k) store_rows(out.means, 3, k, ids, lanes, d.mean[k]);
  for (int k = 0; k < 4; ++k) store_rows(out.quats, 4, k, ids, lanes, d.quat[k]);
  for (int k = 0; k < 3; ++k) store_rows(out.scales, 3, k, ids, lanes, d.scale[k]);
  store_rows(out.opacities, 1, 0, ids, lanes, opacity_gradient(f, moments));
}

void clear(const RasterizeInputs& in, int64_t begin, int64_t count, const RasterizeGradients& out) {
  std::memset(out.means + 3 * begin, 0, 3 * count * sizeof(float));
  std::memset(out.quats + 4 * begin, 0, 4 * count * sizeof(float));
  std::memset(out.scales + 3 * begin, 0, 3 * count * sizeof(float));
  std::memset(out.opacities + begin, 0, count * sizeof(float));
  std::memset(out.features + in.num_channels * begin, 0, in.num_channels * count * sizeof(float));
}

}  // namespace

void reduce_gradients(const RasterizeInputs& in, const Splats& splats, const TileLists& lists, const float* records, const uint8_t* touched,
                      const RasterizeGradients& out, const Parallel& parallel) {
  const PinholeCamera camera = make_camera(in.world_to_camera, in.intrinsics, in.width, in.height);
  const int64_t n = in.num_gaussians;
  parallel((n + kChunk - 1) / kChunk, [&](int64_t chunk) {
    clear(in, chunk * kChunk, n - chunk * kChunk < kChunk ? n - chunk * kChunk : kChunk, out);
  });
  parallel((splats.count + kChunk - 1) / kChunk, [&](int64_t chunk) {
    const int64_t end = (chunk + 1) * kChunk < splats.count ? (chunk + 1) * kChunk : splats.count;
    for (int64_t begin = chunk * kChunk; begin < end; begin += kLanes) {
      const int count = static_cast<int>(end - begin < kLanes ? end - begin : kLanes);
      alignas(64) float sums[kFeatureOffset][kLanes] = {};
      int32_t ids[kLanes];
      uint32_t lanes = 0;
      for (int lane = 0; lane < count; ++lane) {
        ids[lane] = splats.array[begin + lane].id;
        float geometry[kFeatureOffset] = {};
        if (sum_records(in, lists, records, touched, begin + lane, geometry, out.features + ids[lane] * in.num_channels)) lanes |= 1u << lane;
        for (int i = 0; i < kFeatureOffset; ++i) sums[i][lane] = geometry[i];
      }
      if (lanes != 0) scatter_gradients(in, camera, ids, count, lanes, sums, out);
    }
  });
}

}  // namespace omg::cpu::OMG_SIMD
