// Temporary memory for handlers. XLA's CPU runtime offers none, and asking the system anew at every call costs page
// faults.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "arena.h"
#include "ffi/huge_pages.h"

namespace omg::ffi {

// Memory that grows while a call runs and is kept for the next one.
class ArenaMemory {
 public:
  void* allocate(size_t bytes) {
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (blocks_.empty() || used_ + bytes > blocks_.back().size) add_block(bytes);
    void* result = static_cast<char*>(blocks_.back().memory.get()) + used_;
    used_ += bytes;
    return result;
  }

  // Forgets what was allocated. Several blocks are given back, and the next one will have their joint size, so that a
  // repeated call finds all its memory in one piece.
  void reset() noexcept {
    used_ = 0;
    if (blocks_.size() < 2) return;
    for (const Block& block : blocks_) least_size_ += block.size;
    blocks_.clear();
  }

 private:
  static constexpr size_t kAlignment = 64;

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  struct Block {
    std::unique_ptr<void, Free> memory;
    size_t size;
  };

  void add_block(size_t bytes) {
    const size_t size = (std::max(bytes, least_size_) + kHugePage - 1) / kHugePage * kHugePage;
    void* memory = std::aligned_alloc(kHugePage, size);
    if (memory == nullptr) throw std::bad_alloc();
    prefer_huge_pages(memory, size);
    blocks_.push_back({std::unique_ptr<void, Free>(memory), size});
    used_ = least_size_ = 0;
  }

  std::vector<Block> blocks_;
  size_t used_ = 0;        // bytes of the last block
  size_t least_size_ = 0;  // bytes of the next block
};

// Lends an idle arena, or a new one, for as long as it lives.
class LentArena {
 public:
  LentArena() {
    std::lock_guard<std::mutex> lock(idle().mutex);
    if (!idle().arenas.empty()) memory_ = std::move(idle().arenas.back()), idle().arenas.pop_back();
    if (memory_ != nullptr) return;
    idle().arenas.reserve(idle().made + 1);  // room for all to lie idle: giving back allocates nothing
    memory_ = std::make_unique<ArenaMemory>();
    ++idle().made;
  }

  ~LentArena() {
    memory_->reset();
    std::lock_guard<std::mutex> lock(idle().mutex);
    idle().arenas.push_back(std::move(memory_));
  }

  LentArena(const LentArena&) = delete;
  LentArena& operator=(const LentArena&) = delete;

  Arena get() const {
    return {[](void* self, size_t bytes) { return static_cast<ArenaMemory*>(self)->allocate(bytes); }, memory_.get()};
  }

 private:
  struct Idle {
    std::mutex mutex;
    std::vector<std::unique_ptr<ArenaMemory>> arenas;
    size_t made = 0;
  };

  static Idle& idle() {
    static Idle* pool = new Idle;  // never destroyed: a pool thread may outlive the statics
    return *pool;
  }

  std::unique_ptr<ArenaMemory> memory_;
};

}  // namespace omg::ffi
