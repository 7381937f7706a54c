// Arrays with leading batch dimensions, which may be shared by several views.
#pragma once

#include <cstdint>

#include "macros.h"

namespace omg::cuda {

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

// What a batch of pictures cannot have on a GPU, in words; null where it fits.
inline const char* picture_too_large(const Batch& batch, int64_t width, int64_t height) {
  constexpr int64_t kMaxViews = 65535, kMaxSide = int64_t{1} << 20, kMaxPixels = (int64_t{1} << 31) - 1;
  if (batch.num_views > kMaxViews) return "at most 65535 pictures of one batch";
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    return "at most 2^31 - 1 pixels of a picture, and 2^20 along a side";
  return nullptr;
}

}  // namespace omg::cuda
