// The stages of the CPU rasterizer and what they hand to each other:
// project -> sort by depth -> bin into tiles -> blend (forward or backward) -> for the backward pass, reduce to
// gradients.
#pragma once

#include <cstdint>

#include "footprint.h"
#include "rasterizer.h"
#include "vector.h"

namespace omg::cpu::OMG_SIMD {

// A Gaussian that reaches the image.
struct alignas(64) Splat {
  Footprint<float> shape;
  float depth;
  int32_t id;                   // row of the Gaussian in the inputs
  int16_t first_row, last_row;  // of tiles, both included
};

// Splats sorted by (depth, id).
struct Splats {
  const Splat* array;
  int32_t count;
  int32_t num_not_finite;  // of the Gaussians; all, where the camera is not
};

// One splat in one tile.
struct Instance {
  int32_t rank;  // of the splat in Splats
  int32_t slot;  // instances are numbered Gaussian by Gaussian: where the backward pass leaves this one's gradient
};

// For every tile, row by row, the splats that reach it, front to back.
struct TileLists {
  int columns, rows;
  const Instance* instances;
  const int32_t* tile_begin;  // [tiles + 1]
  const int32_t* slot_begin;  // [Gaussians + 1]
  int32_t count;
};

struct TileGrid {
  int columns, rows;
};

OMG_FN TileGrid tile_grid(const RasterizeInputs& in) {
  return {(in.width + kTileSize - 1) / kTileSize, (in.height + kTileSize - 1) / kTileSize};
}

constexpr int64_t kNumMoments = 6;

// What one instance adds to its splat's gradient: the moments, the depth, then the features.
constexpr int64_t kFeatureOffset = kNumMoments + 1;
OMG_FN int64_t record_size(const RasterizeInputs& in) { return kFeatureOffset + in.num_channels; }

Splats project_and_sort(const RasterizeInputs& in, const Arena& arena, const Parallel& parallel);
// False if there are too many instances to count in 31 bits.
bool bin(const RasterizeInputs& in, const Splats& splats, const Arena& arena, const Parallel& parallel,
         TileLists* lists);
void blend_forward(const RasterizeInputs& in, const Splats& splats, const TileLists& lists, const RasterizeOutputs& out,
                   const Parallel& parallel);
// Sets touched[slot], and records[slot] where an instance got any gradient at all.
void blend_backward(const RasterizeInputs& in, const Splats& splats, const TileLists& lists,
                    const RasterizeCotangents& cotangents, float* records, uint8_t* touched, const Parallel& parallel);
void reduce_gradients(const RasterizeInputs& in, const TileLists& lists, const float* records, const uint8_t* touched,
                      const RasterizeGradients& out, const Arena& arena, const Parallel& parallel);

}  // namespace omg::cpu::OMG_SIMD
