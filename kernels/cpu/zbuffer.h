// The z-buffer's entry point, one per instruction set. It knows neither Python nor XLA.
#pragma once

#include <cstdint>

#include "arena.h"
#include "parallel.h"

namespace omg::cpu {

// All arrays are row-major.
struct ZbufferInputs {
  int64_t num_vertices, num_faces;
  int width, height;
  const float* vertices;         // [V, 3] world
  const int32_t* faces;          // [F, 3], each in [0, V)
  const float* world_to_camera;  // [4, 4]
  const float* intrinsics;       // [3, 3]
  float near;
};

struct ZbufferOutputs {
  float* depth;         // [H, W] camera z; +inf where there is no face
  int32_t* face_index;  // [H, W]; -1 where there is no face
};

// Of the faces that cover a pixel's centre the nearest is kept, of equally near ones the first. The same bits on every
// run, for any number of threads and every instruction set.
#define OMG_DECLARE_ZBUFFER(LEVEL)                                                                                \
  namespace LEVEL {                                                                                               \
  void zbuffer(const ZbufferInputs& in, const ZbufferOutputs& out, const Arena& arena, const Parallel& parallel); \
  }
OMG_DECLARE_ZBUFFER(baseline)
OMG_DECLARE_ZBUFFER(avx2)
OMG_DECLARE_ZBUFFER(avx512)
#undef OMG_DECLARE_ZBUFFER

}  // namespace omg::cpu
