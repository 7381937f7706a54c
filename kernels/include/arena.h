// How kernels ask for temporary memory without knowing who keeps it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace omg {

// Hands out uninitialised memory, aligned to 64 bytes, that stays valid until the handler call ends. A plain struct of
// pointers, for the reason given in parallel.h. Not thread-safe: allocate outside parallel loops.
struct Arena {
  void* (*allocate)(void* self, size_t bytes);
  void* self;

  template <typename T>
  __attribute__((always_inline)) T* array(int64_t count) const {
    return static_cast<T*>(allocate(self, static_cast<size_t>(count) * sizeof(T)));
  }
};

}  // namespace omg
