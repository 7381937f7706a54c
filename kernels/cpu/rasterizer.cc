// The rasterizer's two passes as sequences of stages.
#include "rasterizer.h"

#include <cstring>

#include "stages.h"

namespace omg::cpu::OMG_SIMD {
namespace {

void count_splats(const RasterizeInputs& in, const Splats& splats, const TileLists& lists, int32_t* stats) {
  int32_t visible = 0;
  for (int64_t id = 0; id < in.num_gaussians; ++id) visible += lists.slot_begin[id + 1] > lists.slot_begin[id];
  stats[0] = visible, stats[1] = lists.count, stats[2] = 0, stats[3] = splats.num_not_finite;
}

}  // namespace

bool rasterize_forward(const RasterizeInputs& in, const RasterizeOutputs& out, const Arena& arena,
                       const Parallel& parallel) {
  const Splats splats = project_and_sort(in, arena, parallel);
  TileLists lists;
  if (!bin(in, splats, arena, parallel, &lists)) return false;
  count_splats(in, splats, lists, out.stats);
  blend_forward(in, splats, lists, out, parallel);
  return true;
}

// The tile lists are made again: their size depends on the data, so they cannot be an output of the forward pass.
bool rasterize_backward(const RasterizeInputs& in, const RasterizeCotangents& cotangents, const RasterizeGradients& out,
                        const Arena& arena, const Parallel& parallel) {
  const Splats splats = project_and_sort(in, arena, parallel);
  TileLists lists;
  if (!bin(in, splats, arena, parallel, &lists)) return false;
  float* records = arena.array<float>(lists.count * record_size(in));
  uint8_t* touched = arena.array<uint8_t>(lists.count);
  blend_backward(in, splats, lists, cotangents, records, touched, parallel);
  reduce_gradients(in, lists, records, touched, out, arena, parallel);
  return true;
}

}  // namespace omg::cpu::OMG_SIMD
