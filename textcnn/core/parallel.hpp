// Work that is shared among threads of one call: started for it and joined, so that there is nothing that a fork could
// lose.
#pragma once

#include <algorithm>
#include <cstdint>

#if !defined(__wasm__)
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>
#endif

namespace textcnn {

// Calls work(begin, end) for stretches of 0 .. count of at most `stretch` items, on so many threads. An exception of
// any of them is thrown again here.
#if defined(__wasm__)
template <class Work>
void parallel(int64_t count, int64_t stretch, int32_t, Work&& work) {
  for (int64_t begin = 0; begin < count; begin += stretch) work(begin, std::min(count, begin + stretch));
}
#else
template <class Work>
void parallel(int64_t count, int64_t stretch, int32_t threads, Work&& work) {
  const int64_t stretches = (count + stretch - 1) / stretch;
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex lock;
  const auto run = [&] {
    try {
      for (int64_t i; (i = next.fetch_add(1)) < stretches;)
        work(i * stretch, std::min(count, (i + 1) * stretch));
    } catch (...) {
      const std::lock_guard guard(lock);
      failure = std::current_exception();
      next = stretches;
    }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, stretches); ++i) {
    try {
      others.emplace_back(run);
    } catch (...) {
      break;  // no more threads to be had: those that run do the work
    }
  }
  run();
  for (std::thread& other : others) other.join();
  if (failure) std::rethrow_exception(failure);
}
#endif

}  // namespace textcnn
