// The few operations that the shared maths needs beyond arithmetic, for plain floats. kernels/cpu/vector.h gives the
// same names for SIMD vectors, so every formula is written once and instantiated with Real = float (one CUDA thread) or
// Real = a vector of Gaussians.
#pragma once

#include <cmath>

#include "macros.h"

namespace omg {

OMG_FN float minimum(float a, float b) { return a < b ? a : b; }
OMG_FN float maximum(float a, float b) { return a > b ? a : b; }
OMG_FN float select(bool condition, float yes, float no) { return condition ? yes : no; }
OMG_FN float square_root(float a) { return sqrtf(a); }
OMG_FN float log2(float a) { return log2f(a); }

}  // namespace omg
