// How kernels ask for parallel work without knowing whose threads do it.
#pragma once

#include <cstdint>

namespace omg {

// Runs work(0) ... work(count - 1), each exactly once, in any order and on any number of threads, and returns when all
// are done. A plain struct of pointers: std::function's inline members would be compiled once per instruction set and
// the linker would keep just one of them, perhaps one that this processor cannot run.
struct Parallel {
  void (*run)(void* pool, int64_t count, void (*work)(void* data, int64_t index), void* data);
  void* pool;

  template <typename Work>
  __attribute__((always_inline)) void operator()(int64_t count, const Work& work) const {
    run(
        pool, count, [](void* data, int64_t index) { (*static_cast<const Work*>(data))(index); },
        const_cast<Work*>(&work));
  }
};

}  // namespace omg
