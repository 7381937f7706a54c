// The scheduler behind emulation/cuda.h.
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulation/cuda.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace omg::emulation {
namespace {

constexpr size_t kStackBytes = 64 * 1024;

#if defined(__x86_64__)
// Saves the callee's registers on the stack it leaves and restores those of the stack it enters: ten times as fast as
// swapcontext, which also saves the signal mask by a system call.
extern "C" void omg_switch_stack(void** from, void* to);
asm(R"(
.text
.globl omg_switch_stack
.type omg_switch_stack,@function
omg_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size omg_switch_stack,.-omg_switch_stack
)");
#endif

// Counts arrivals at the barriers of a group of threads, the first, the second ... barrier. Two in turn are enough: who
// arrives at the next one has left the one before.
struct Barrier {
  int64_t arrived[2] = {0, 0};
};

struct Warp {
  Barrier barrier;
  uint64_t values[2][kWarpSize];
};

struct Fiber {
  Position position;
  bool finished = false;
  int64_t block_barriers = 0, warp_barriers = 0;  // passed so far
  const int64_t* counter = nullptr;               // what it waits for, and until which value
  int64_t target = 0;
  Warp* warp = nullptr;
  std::unique_ptr<char[]> stack;
#if defined(__x86_64__)
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Barrier barrier;
  int64_t sums[2] = {0, 0};
  std::vector<const void*> shared;  // what start_shared has filled
};

Block* block = nullptr;
bool reversed = false;
Fiber* running = nullptr;
const std::function<void()>* thread_body = nullptr;
#if defined(__x86_64__)
void* scheduler_stack;
void leave() { omg_switch_stack(&running->stack_pointer, scheduler_stack); }
void enter(Fiber& fiber) { omg_switch_stack(&scheduler_stack, fiber.stack_pointer); }
#else
ucontext_t scheduler_context;
void leave() { swapcontext(&running->context, &scheduler_context); }
void enter(Fiber& fiber) { swapcontext(&scheduler_context, &fiber.context); }
#endif

void fiber_main() {
  (*thread_body)();
  running->finished = true;
  leave();
}

void prepare(Fiber& fiber) {
  fiber.finished = false;
  fiber.block_barriers = fiber.warp_barriers = 0;
  fiber.counter = nullptr;
#if defined(__x86_64__)
  // As if fiber_main had been called and had just switched away: six registers below its address. The stack pointer is
  // 8 off a multiple of 16 when a function begins.
  auto top = reinterpret_cast<uintptr_t>(fiber.stack.get() + kStackBytes) & ~uintptr_t{15};
  auto* slot = reinterpret_cast<void**>(top) - 2;
  *slot = reinterpret_cast<void*>(&fiber_main);
  for (int i = 0; i < 6; ++i) *--slot = nullptr;
  fiber.stack_pointer = slot;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, fiber_main, 0);
#endif
}

void wait_for(const int64_t& counter, int64_t target) {
  if (counter >= target) return;
  running->counter = &counter, running->target = target;
  leave();
}

bool can_run(const Fiber& fiber) {
  return !fiber.finished && (fiber.counter == nullptr || *fiber.counter >= fiber.target);
}

// Runs every fiber of one warp until all wait or are done; true if any could run.
bool run_warp(size_t first, size_t end) {
  bool any = false;
  for (bool again = true; again;) {
    again = false;
    for (size_t i = first; i < end; ++i) {
      Fiber& fiber = block->fibers[i];
      if (!can_run(fiber)) continue;
      fiber.counter = nullptr;
      running = &fiber;
      enter(fiber);
      again = any = true;
    }
  }
  return any;
}

void run_block(const char* name, dim3 index) {
  for (Fiber& fiber : block->fibers) prepare(fiber), fiber.position.block_index = index;
  for (Warp& warp : block->warps) warp = Warp{};
  block->barrier = Barrier{};
  block->sums[0] = block->sums[1] = 0;
  block->shared.clear();
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t first = 0; first < block->fibers.size(); first += kWarpSize) progress |= run_warp(first, first + kWarpSize);
  }
  size_t waiting = 0;
  for (const Fiber& fiber : block->fibers) waiting += !fiber.finished;
  if (waiting > 0) {
    throw std::runtime_error(std::string(name) + ": " + std::to_string(waiting) + " of " +
                             std::to_string(block->fibers.size()) +
                             " threads wait at a barrier or warp operation that the others do not reach");
  }
}

}  // namespace

const Position& here() { return running->position; }

int64_t block_sum(int64_t value) {
  const int64_t number = running->block_barriers++, threads = static_cast<int64_t>(block->fibers.size());
  int64_t &arrived = block->barrier.arrived[number & 1], &sum = block->sums[number & 1];
  sum += value;
  // The last to arrive clears the other sum: everybody has read it.
  if (++arrived == threads * (number / 2 + 1)) block->sums[~number & 1] = 0;
  wait_for(arrived, threads * (number / 2 + 1));
  return sum;
}

const uint64_t* warp_values(uint64_t value) {
  Warp& warp = *running->warp;
  const int64_t number = running->warp_barriers++;
  warp.values[number & 1][lane()] = value;
  int64_t& arrived = warp.barrier.arrived[number & 1];
  ++arrived;
  wait_for(arrived, kWarpSize * (number / 2 + 1));
  return warp.values[number & 1];
}

void start_shared(void* memory, size_t bytes) {
  if (std::find(block->shared.begin(), block->shared.end(), memory) != block->shared.end()) return;
  block->shared.push_back(memory);
  std::memset(memory, 0x7f, bytes);
}

void forbid(const void* memory, size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(memory, bytes);
#else
  static_cast<void>(memory), static_cast<void>(bytes);
#endif
}

void reverse_blocks(bool reverse) { reversed = reverse; }

void run(const char* name, dim3 grid, dim3 size, const std::function<void()>& body) {
  const size_t threads = static_cast<size_t>(size.x) * size.y * size.z;
  if (threads == 0 || threads % kWarpSize != 0 || threads > 1024)
    throw std::runtime_error(std::string(name) + ": a block must have whole warps, 1024 threads at most");
  Block owned;
  owned.fibers = std::vector<Fiber>(threads);
  owned.warps = std::vector<Warp>(threads / kWarpSize);
  for (size_t i = 0; i < threads; ++i) {
    Fiber& fiber = owned.fibers[i];
    fiber.stack = std::make_unique<char[]>(kStackBytes);
    fiber.warp = &owned.warps[i / kWarpSize];
    const auto x = static_cast<unsigned>(i);
    fiber.position = {grid, size, {}, dim3(x % size.x, x / size.x % size.y, x / size.x / size.y)};
  }
  block = &owned, thread_body = &body;
  const uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t index = reversed ? blocks - 1 - i : i;
    run_block(name, dim3(static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
                         static_cast<unsigned>(index / grid.x / grid.y)));
  }
  block = nullptr, running = nullptr;
}

}  // namespace omg::emulation
