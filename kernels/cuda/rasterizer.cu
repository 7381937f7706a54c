// Runs the stages, one band of tile rows after the other.
#include "rasterizer.h"

#include "stages.h"

namespace omg::cuda {
namespace {

constexpr int kThreads = 32;

// Counters to the stats of a view.
__global__ void stats_kernel(Binning binning, int32_t* stats) {
  if (threadIdx.x >= kNumStats) return;
  const Counter count = binning.counters[static_cast<int64_t>(blockIdx.x) * kNumStats + threadIdx.x];
  stats[static_cast<int64_t>(blockIdx.x) * kNumStats + threadIdx.x] =
      count < INT32_MAX ? static_cast<int32_t>(count) : INT32_MAX;
}

Band band_at(const Scene& scene, const TileMask& mask, int first_row) {
  const int rows = tile_grid(scene).rows, end = first_row + mask.rows_per_band;
  return {first_row, end < rows ? end : rows};
}

}  // namespace

const char* picture_too_large(const Batch& batch, int64_t width, int64_t height) {
  constexpr int64_t kMaxViews = 65535, kMaxSide = int64_t{1} << 20, kMaxPixels = (int64_t{1} << 31) - 1;
  if (batch.num_views > kMaxViews) return "at most 65535 pictures of one batch";
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    return "at most 2^31 - 1 pixels of a picture, and 2^20 along a side";
  return nullptr;
}

const char* scene_too_large(const Scene& scene) {
  constexpr int64_t kMaxChannels = 65536;
  if (scene.batch.num_views * scene.num_gaussians > INT32_MAX)
    return "at most 2^31 - 1 Gaussians in all pictures of one batch";
  if (scene.num_channels < 1 || scene.num_channels > kMaxChannels) return "1 to 65536 channels";
  return picture_too_large(scene.batch, scene.width, scene.height);
}

size_t forward_workspace_bytes(const Scene& scene) {
  Workspace workspace(nullptr);
  make_binning(scene, &workspace);
  return workspace.bytes();
}

Status rasterize_forward(const Scene& scene, const Images& out, void* memory, Stream stream) {
  if (scene.batch.num_views == 0) return kSuccess;
  Workspace workspace(memory);
  const Binning binning = make_binning(scene, &workspace);
  OMG_RETURN_IF_FAILED(project_and_sort(scene, binning, stream));
  for (int row = 0; row < tile_grid(scene).rows; row += binning.mask.rows_per_band) {
    const Band band = band_at(scene, binning.mask, row);
    OMG_RETURN_IF_FAILED(bin(scene, binning, band, stream));
    OMG_RETURN_IF_FAILED(blend_forward(scene, binning, band, out, stream));
  }
  return OMG_LAUNCH(stats_kernel, dim3(static_cast<unsigned>(scene.batch.num_views)), dim3(kThreads), stream, binning, out.stats);
}

size_t backward_workspace_bytes(const Scene& scene, bool deterministic) {
  Workspace workspace(nullptr);
  make_binning(scene, &workspace);
  make_sums(scene, deterministic, nullptr, &workspace);
  return workspace.bytes();
}

Status rasterize_backward(const Scene& scene, const Cotangents& cotangents, bool deterministic, const Gradients& out,
                          void* memory, Stream stream) {
  if (scene.batch.num_views == 0) return kSuccess;
  Workspace workspace(memory);
  const Binning binning = make_binning(scene, &workspace);
  const Sums sums = make_sums(scene, deterministic, out.features, &workspace);
  if (scene.num_gaussians > 0) {
    OMG_RETURN_IF_FAILED(project_and_sort(scene, binning, stream));
    OMG_RETURN_IF_FAILED(start_sums(scene, cotangents, binning, sums, stream));
    for (int row = 0; row < tile_grid(scene).rows; row += binning.mask.rows_per_band) {
      const Band band = band_at(scene, binning.mask, row);
      OMG_RETURN_IF_FAILED(bin(scene, binning, band, stream));
      OMG_RETURN_IF_FAILED(blend_backward(scene, binning, band, cotangents, sums, stream));
    }
  }
  return finish_gradients(scene, binning, sums, out, stream);
}

}  // namespace omg::cuda
