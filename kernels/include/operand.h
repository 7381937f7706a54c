// Arrays with leading batch dimensions, which may be shared by several views.
#pragma once

#include <cstdint>

#include "macros.h"

namespace omg {

constexpr int kMaxBatchRank = 6;

// Row-major. stride counts items (one view's share) from neighbour to neighbour along each batch dimension, 0 where all
// views share one.
template <class T>
struct Operand {
  const T* data;
  int64_t stride[kMaxBatchRank];
};

// The row-major batch of views.
struct Batch {
  int64_t num_views;
  int rank;
  int64_t dimensions[kMaxBatchRank];
};

// A view's share of an operand whose items have `size` elements.
template <class T>
OMG_FN const T* item(const Operand<T>& operand, const Batch& batch, int64_t view, int64_t size) {
  int64_t index = 0;
  for (int axis = batch.rank - 1; axis >= 0; --axis) {
    index += view % batch.dimensions[axis] * operand.stride[axis];
    view /= batch.dimensions[axis];
  }
  return operand.data + index * size;
}

}  // namespace omg
