// The few things that kernels and launchers need of CUDA, so that the same sources run on a GPU and, for tests, through
// kernels/emulation.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(OMG_EMULATION)
#include "emulation/cuda.h"
#define OMG_UNROLL
#else
#include <cuda_runtime.h>
#define OMG_UNROLL _Pragma("unroll")
#endif

#include "macros.h"
#include "stream.h"

namespace omg::cuda {

constexpr unsigned kAllLanes = 0xffffffffu;
constexpr int kWarpSize = 32;

#if defined(OMG_EMULATION)

template <class... Parameters, class... Arguments>
Status launch_kernel(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, Stream,
                     const Arguments&... arguments) {
  emulation::run(name, grid, block, [&] { kernel(arguments...); });
  return kSuccess;
}

inline Status fill_bytes(void* memory, int byte, size_t bytes, Stream) {
  std::memset(memory, byte, bytes);
  return kSuccess;
}

OMG_FN float exp2_fast(float x) { return exp2f(x); }

#else

template <class... Parameters, class... Arguments>
Status launch_kernel(const char*, void (*kernel)(Parameters...), dim3 grid, dim3 block, Stream stream,
                     const Arguments&... arguments) {
  kernel<<<grid, block, 0, stream>>>(arguments...);
  return cudaGetLastError();
}

inline Status fill_bytes(void* memory, int byte, size_t bytes, Stream stream) {
  return cudaMemsetAsync(memory, byte, bytes, stream);
}

// One instruction of the special function units; relative error 2^-22.
__device__ __forceinline__ float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#endif

// Stable, ascending by the keys' lowest `bits` bits.
size_t sort_scratch_bytes(int64_t count);
Status sort_pairs(void* scratch, size_t scratch_bytes, const uint64_t* keys, uint64_t* sorted_keys,
                  const uint32_t* values, uint32_t* sorted_values, int64_t count, int bits, Stream stream);

// Declares an array or struct in the shared memory of a block: OMG_SHARED(name, type). In the emulation it holds rubbish
// when a block begins, as on a GPU.
#if defined(OMG_EMULATION)
#define OMG_SHARED(name, ...)      \
  using name##_type = __VA_ARGS__; \
  static name##_type name;         \
  emulation::start_shared(&name, sizeof name)
#else
#define OMG_SHARED(name, ...)      \
  using name##_type = __VA_ARGS__; \
  __shared__ name##_type name
#endif

// Launches a kernel; its name goes into the emulation's error messages.
#define OMG_LAUNCH(kernel, ...) ::omg::cuda::launch_kernel(#kernel, kernel, __VA_ARGS__)

// Returns from the launcher where a CUDA call failed.
#define OMG_RETURN_IF_FAILED(call)                                              \
  do {                                                                          \
    if (const ::omg::cuda::Status status = (call); status != ::omg::cuda::kSuccess) return status; \
  } while (false)

inline unsigned num_blocks(int64_t work, int64_t per_block) {
  return static_cast<unsigned>((work + per_block - 1) / per_block);
}

// Takes pieces out of one allocation; with a null base it only measures. In the emulation the pieces lie apart, so that
// the address sanitizer sees who leaves his own.
class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* array(int64_t count) {
    constexpr size_t kAlignment = 256;
    const size_t offset = bytes_, used = static_cast<size_t>(count) * sizeof(T);
    bytes_ += (used + kAlignment - 1) / kAlignment * kAlignment;
#if defined(OMG_EMULATION)
    bytes_ += kAlignment;
    if (base_ != nullptr) emulation::forbid(base_ + offset + used, bytes_ - offset - used);
#endif
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + offset);
  }

  size_t bytes() const { return bytes_; }

 private:
  char* base_;
  size_t bytes_ = 0;
};

}  // namespace omg::cuda
