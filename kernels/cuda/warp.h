// Sums over the lanes of a warp.
#pragma once

#include "device.h"

namespace omg::cuda {

// One exchange: of 2 * kHalf values each lane keeps those of its half, summed with its partner's.
template <int kHalf, int kCount>
__device__ __forceinline__ void halve(float (&values)[kCount]) {
  const bool upper = (threadIdx.x & kHalf) != 0;
  OMG_UNROLL for (int i = 0; i < kHalf; ++i) {
    const float low = values[i], high = values[i + kHalf];
    values[i] = (upper ? high : low) + __shfl_xor_sync(kAllLanes, upper ? low : high, kHalf);
  }
  if constexpr (kHalf > 1) halve<kHalf / 2>(values);
}

// Sums kCount values over the warp's lanes; lane l gets the sum of value l % kCount. kCount is a power of two.
template <int kCount>
__device__ __forceinline__ float sum_over_warp(float (&values)[kCount]) {
  halve<kCount / 2>(values);
  float sum = values[0];
  OMG_UNROLL for (int step = kCount; step < kWarpSize; step *= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
  return sum;
}

}  // namespace omg::cuda
