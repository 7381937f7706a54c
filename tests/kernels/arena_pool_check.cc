// Lends arenas as kernels do and counts what is allocated meanwhile; run by test_arena_pool.py.
#include "ffi/arena_pool.h"

#include <cstdio>
#include <type_traits>

namespace {
int allocations = 0;
}

void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

using omg::ffi::ArenaMemory;
using omg::ffi::LentArena;

static_assert(noexcept(std::declval<ArenaMemory&>().reset()), "a destructor calls it");
static_assert(!std::is_copy_constructible<LentArena>::value, "two would give the same arena back");

int main() {
  constexpr size_t kMegabyte = size_t{1} << 20;
  int failures = 0;
  auto expect = [&failures](bool holds, const char* what) {
    if (!holds) ++failures, std::printf("%s\n", what);
  };

  {
    auto* first = new LentArena;
    auto* second = new LentArena;
    for (int i = 0; i < 3; ++i) first->get().allocate(first->get().self, 3 * kMegabyte);
    second->get().allocate(second->get().self, 1);
    allocations = 0;
    first->~LentArena();
    second->~LentArena();
    expect(allocations == 0, "giving arenas back allocates");
    ::operator delete(first);
    ::operator delete(second);
  }

  ArenaMemory memory;
  memory.allocate(3 * kMegabyte);
  memory.allocate(3 * kMegabyte);
  memory.reset();
  char* begin = static_cast<char*>(memory.allocate(3 * kMegabyte));
  char* next = static_cast<char*>(memory.allocate(3 * kMegabyte));
  expect(next == begin + 3 * kMegabyte, "a repeated call does not find its memory in one piece");
  memory.reset();
  expect(memory.allocate(1) == begin, "one block is not kept for the next call");
  return failures;
}
