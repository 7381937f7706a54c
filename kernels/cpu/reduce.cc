// Stage 5 (backward pass): sums every Gaussian's records in the order of its tiles, then goes back through the
// projection, to the Gaussians and to the camera.
#include <cstring>

#include "lanes.h"
#include "stages.h"

namespace omg::cpu::OMG_SIMD {
namespace {

constexpr int64_t kChunk = 1024;  // Gaussians per work item

// Sums the records of a Gaussian's instances: the first kFeatureOffset numbers into `geometry` (which starts at zero),
// the others into the features' gradient. False if there are none.
bool sum_records(const RasterizeInputs& in, const TileLists& lists, const float* records, const uint8_t* touched,
                 int64_t id, float* geometry, float* features) {
  const int64_t size = record_size(in);
  std::memset(features, 0, in.num_channels * sizeof *features);
  bool found = false;
  for (int32_t slot = lists.slot_begin[id]; slot < lists.slot_begin[id + 1]; ++slot) {
    if (!touched[slot]) continue;
    found = true;
    const float* record = records + slot * size;
    for (int i = 0; i < kFeatureOffset; ++i) geometry[i] += record[i];
    for (int64_t c = 0; c < in.num_channels; ++c) features[c] += record[kFeatureOffset + c];
  }
  return found;
}

// Gradients of `count` Gaussians from their sums; those without a bit in `lanes` get zero, whatever their inputs are, and
// add nothing to the camera's.
void write_gradients(const RasterizeInputs& in, const PinholeCamera& camera, int64_t first, int count, uint32_t lanes,
                     const float (*sums)[kLanes], const RasterizeGradients& out, CameraGradient<Float>* camera_sum) {
  const Gaussian<Float> g = load_gaussians(in, first, count);
  const LocalMap<Float> map = linearize(g, camera);
  const Footprint<Float> f = make_footprint(project(map, camera, in.blur), load_rows(in.opacities, 1, 0, first, count));
  const Moments<Float> moments = {load(sums[0]), load(sums[1]), load(sums[2]),
                                  load(sums[3]), load(sums[4]), load(sums[5])};
  CameraGradient<Float> d_camera;
  const Gaussian<Float> d = project_vjp(g, map, camera, footprint_vjp(f, moments, load(sums[6])), &d_camera);
  const Mask drawn = from_bits(lanes);
  const Float zero = 0.0f;
  for (int i = 0; i < kNumCameraNumbers; ++i)
    camera_sum->numbers[i] = camera_sum->numbers[i] + select(drawn, d_camera.numbers[i], zero);
  for (int k = 0; k < 3; ++k) store_rows(out.means, 3, k, first, count, select(drawn, d.mean[k], zero));
  for (int k = 0; k < 4; ++k) store_rows(out.quats, 4, k, first, count, select(drawn, d.quat[k], zero));
  for (int k = 0; k < 3; ++k) store_rows(out.scales, 3, k, first, count, select(drawn, d.scale[k], zero));
  store_rows(out.opacities, 1, 0, first, count, select(drawn, opacity_gradient(f, moments), zero));
}

}  // namespace

void reduce_gradients(const RasterizeInputs& in, const TileLists& lists, const float* records, const uint8_t* touched,
                      const RasterizeGradients& out, const Arena& arena, const Parallel& parallel) {
  const PinholeCamera camera = make_camera(in.world_to_camera, in.intrinsics, in.width, in.height);
  const int64_t chunks = (in.num_gaussians + kChunk - 1) / kChunk;
  float* camera_parts = arena.array<float>(chunks * kNumCameraNumbers);
  parallel(chunks, [&](int64_t chunk) {
    CameraGradient<Float> camera_sum;
    for (Float& number : camera_sum.numbers) number = 0.0f;
    const int64_t end = (chunk + 1) * kChunk < in.num_gaussians ? (chunk + 1) * kChunk : in.num_gaussians;
    for (int64_t first = chunk * kChunk; first < end; first += kLanes) {
      const int count = static_cast<int>(end - first < kLanes ? end - first : kLanes);
      alignas(64) float sums[kFeatureOffset][kLanes] = {};
      uint32_t lanes = 0;
      for (int lane = 0; lane < count; ++lane) {
        const int64_t id = first + lane;
        float geometry[kFeatureOffset] = {};
        if (sum_records(in, lists, records, touched, id, geometry, out.features + id * in.num_channels))
          lanes |= 1u << lane;
        for (int i = 0; i < kFeatureOffset; ++i) sums[i][lane] = geometry[i];
      }
      write_gradients(in, camera, first, count, lanes, sums, out, &camera_sum);
    }
    for (int i = 0; i < kNumCameraNumbers; ++i) {
      alignas(64) float lanes[kLanes];
      store(lanes, camera_sum.numbers[i]);
      float total = 0.0f;
      for (const float lane : lanes) total += lane;
      camera_parts[chunk * kNumCameraNumbers + i] = total;
    }
  });
  double camera_sum[kNumCameraNumbers] = {};
  for (int64_t i = 0; i < chunks * kNumCameraNumbers; ++i) camera_sum[i % kNumCameraNumbers] += camera_parts[i];
  write_camera_gradient(camera_sum, out.world_to_camera, out.intrinsics);
}

}  // namespace omg::cpu::OMG_SIMD
