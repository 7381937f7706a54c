// What CUDA source needs to run on a CPU, one block after another: every thread of a block is a fiber, and a fiber that
// waits at a barrier or a warp operation gives way to the others. Warp operations need all lanes, as our kernels use
// them; threads that do not meet at one barrier or warp operation are an error. One OS thread only.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct alignas(16) float4 {
  float x, y, z, w;
};

namespace omg::emulation {

constexpr int kWarpSize = 32;

// Where the running fiber is.
struct Position {
  dim3 grid, block, block_index, thread_index;
};
const Position& here();

// Runs body once per thread of every block. Throws std::runtime_error where threads wait for each other forever.
void run(const char* name, dim3 grid, dim3 block, const std::function<void()>& body);

// From now on blocks run from the last to the first, or again from the first to the last.
void reverse_blocks(bool reverse);

// Waits for all threads of the block; returns the sum of their values.
int64_t block_sum(int64_t value);

// The first thread of a block that comes here fills the block's shared memory with rubbish.
void start_shared(void* memory, size_t bytes);

// From now on the address sanitizer, where there is one, reports whoever reads or writes there.
void forbid(const void* memory, size_t bytes);

// Waits for all lanes of the warp; returns their values, valid until the lane's next warp operation.
const uint64_t* warp_values(uint64_t value);

template <class T>
uint64_t pack(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T unpack(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline int lane() {
  const Position& p = here();
  return static_cast<int>((p.thread_index.x + p.block.x * (p.thread_index.y + p.block.y * p.thread_index.z)) % kWarpSize);
}

}  // namespace omg::emulation

#define gridDim (omg::emulation::here().grid)
#define blockDim (omg::emulation::here().block)
#define blockIdx (omg::emulation::here().block_index)
#define threadIdx (omg::emulation::here().thread_index)

inline void __syncthreads() { omg::emulation::block_sum(0); }
inline int __syncthreads_count(int predicate) { return static_cast<int>(omg::emulation::block_sum(predicate != 0)); }

inline unsigned __ballot_sync(unsigned, int predicate) {
  const uint64_t* values = omg::emulation::warp_values(predicate != 0);
  unsigned bits = 0;
  for (int i = 0; i < omg::emulation::kWarpSize; ++i) bits |= static_cast<unsigned>(values[i]) << i;
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

template <class T>
T __shfl_xor_sync(unsigned, T value, int lane_mask) {
  const int source = omg::emulation::lane() ^ lane_mask;
  return omg::emulation::unpack<T>(omg::emulation::warp_values(omg::emulation::pack(value))[source]);
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned delta) {
  const int lane = omg::emulation::lane(), source = lane - static_cast<int>(delta);
  return omg::emulation::unpack<T>(omg::emulation::warp_values(omg::emulation::pack(value))[source < 0 ? lane : source]);
}

inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline long long __float2ll_rn(float value) { return llrintf(value); }
inline unsigned __float_as_uint(float value) { return omg::emulation::unpack<unsigned>(omg::emulation::pack(value)); }
inline float __uint_as_float(unsigned bits) { return omg::emulation::unpack<float>(omg::emulation::pack(bits)); }

// One OS thread runs all fibers, and none gives way inside of these.
template <class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
T atomicOr(T* address, T value) {
  const T before = *address;
  *address = before | value;
  return before;
}
template <class T>
T atomicMin(T* address, T value) {
  const T before = *address;
  *address = value < before ? value : before;
  return before;
}
template <class T>
T atomicMax(T* address, T value) {
  const T before = *address;
  *address = value > before ? value : before;
  return before;
}
