// What a launcher's caller needs to know of CUDA: where to launch, and how it went.
#pragma once

#if !defined(OMG_EMULATION)
#include <cuda_runtime_api.h>
#endif

namespace omg::cuda {

#if defined(OMG_EMULATION)
using Stream = int;
using Status = int;
constexpr Status kSuccess = 0;
#else
using Stream = cudaStream_t;
using Status = cudaError_t;
constexpr Status kSuccess = cudaSuccess;
#endif

}  // namespace omg::cuda
