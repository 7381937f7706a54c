// The one algorithm that comes from a library: CUB's radix sort, or the standard library's sort in the emulation.
#include "device.h"

#if defined(OMG_EMULATION)

#include <algorithm>
#include <numeric>
#include <vector>

namespace omg::cuda {

size_t sort_scratch_bytes(int64_t) { return 1; }

Status sort_pairs(void*, size_t, const uint64_t* keys, uint64_t* sorted_keys, const uint32_t* values,
                  uint32_t* sorted_values, int64_t count, int bits, Stream) {
  const uint64_t mask = bits < 64 ? (uint64_t{1} << bits) - 1 : ~uint64_t{0};
  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return (keys[a] & mask) < (keys[b] & mask); });
  for (int64_t i = 0; i < count; ++i) sorted_keys[i] = keys[order[i]], sorted_values[i] = values[order[i]];
  return kSuccess;
}

}  // namespace omg::cuda

#else

#include <cub/device/device_radix_sort.cuh>

namespace omg::cuda {

size_t sort_scratch_bytes(int64_t count) {
  size_t bytes = 0;
  cub::DeviceRadixSort::SortPairs(nullptr, bytes, static_cast<const uint64_t*>(nullptr),
                                  static_cast<uint64_t*>(nullptr), static_cast<const uint32_t*>(nullptr),
                                  static_cast<uint32_t*>(nullptr), static_cast<int>(count));
  return bytes;
}

Status sort_pairs(void* scratch, size_t scratch_bytes, const uint64_t* keys, uint64_t* sorted_keys,
                  const uint32_t* values, uint32_t* sorted_values, int64_t count, int bits, Stream stream) {
  return cub::DeviceRadixSort::SortPairs(scratch, scratch_bytes, keys, sorted_keys, values, sorted_values,
                                         static_cast<int>(count), 0, bits, stream);
}

}  // namespace omg::cuda

#endif
