// Leading batch dimensions of handler arguments. Any of them may have size 1 where the result's has not: the argument
// is shared then.
#pragma once

#include <cstdint>

#include "xla/ffi/api/ffi.h"

namespace omg::ffi {

using Dimensions = ::xla::ffi::Span<const int64_t>;

inline int64_t num_elements(Dimensions dimensions, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= dimensions[i];
  return product;
}

// True if `argument`, whose last `rank` dimensions are its own, has batch dimensions that broadcast to `batch`.
inline bool broadcasts(Dimensions argument, size_t rank, Dimensions batch, size_t batch_rank) {
  if (argument.size() != batch_rank + rank) return false;
  for (size_t i = 0; i < batch_rank; ++i) {
    if (argument[i] != batch[i] && argument[i] != 1) return false;
  }
  return true;
}

// Which item of `argument` belongs to the item `index` of the row-major batch.
inline int64_t item_of(Dimensions argument, Dimensions batch, size_t batch_rank, int64_t index) {
  int64_t item = 0, stride = 1;
  for (size_t i = batch_rank; i-- > 0; index /= batch[i]) {
    if (argument[i] != 1) item += index % batch[i] * stride;
    stride *= argument[i];
  }
  return item;
}

}  // namespace omg::ffi
