// Function qualifiers that let one source serve a CPU compiler and nvcc.
#pragma once

// OMG_FN: a small function of the shared maths. `static` gives it internal linkage: the CPU sources are compiled once
// per instruction set, and an ordinary inline function would be merged by the linker into one copy, perhaps one that
// this processor cannot run.
#if defined(__CUDACC__)
#define OMG_FN static __host__ __device__ __forceinline__
#else
#define OMG_FN static inline __attribute__((always_inline, unused))
#endif
