// Runs the kernels' parallel loops on XLA's own thread pool: no second pool, so devices and independent calls do not
// oversubscribe.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "parallel.h"
#include "xla/ffi/api/ffi.h"

namespace omg::ffi {

// One parallel loop: indices are drawn from a counter by whoever comes, the caller included. A pool task that starts
// after the loop has ended finds no index left and touches nothing of the caller's.
class ParallelLoop {
 public:
  ParallelLoop(int64_t count, void (*work)(void*, int64_t), void* data) : count_(count), work_(work), data_(data) {}

  void take_part() {
    int64_t finished = 0;
    for (int64_t index; (index = next_.fetch_add(1, std::memory_order_relaxed)) < count_; ++finished)
      work_(data_, index);
    if (finished == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    finished_ += finished;
    if (finished_ == count_) all_done_.notify_one();
  }

  // Only indices that some thread is already working on are waited for, so this cannot deadlock on a busy pool.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [this] { return finished_ == count_; });
  }

 private:
  const int64_t count_;
  void (*const work_)(void*, int64_t);
  void* const data_;
  std::atomic<int64_t> next_{0};
  int64_t finished_ = 0;  // guarded by mutex_
  std::mutex mutex_;
  std::condition_variable all_done_;
};

// The Parallel that runs on `pool`, which must outlive it.
inline Parallel on_thread_pool(::xla::ffi::ThreadPool& pool) {
  auto run = [](void* data, int64_t count, void (*work)(void*, int64_t), void* argument) {
    auto& threads = *static_cast<::xla::ffi::ThreadPool*>(data);
    auto loop = std::make_shared<ParallelLoop>(count, work, argument);
    const int64_t helpers = std::min(threads.num_threads(), count) - 1;
    for (int64_t i = 0; i < helpers; ++i) threads.Schedule([loop] { loop->take_part(); });
    loop->take_part();
    loop->wait();
  };
  return {run, &pool};
}

}  // namespace omg::ffi
