// One text in progress: its windows slide along a short buffer of rows that is refilled as the text goes on, so that a
// text of any length needs the same memory.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace textcnn {

class Pooling {
 public:
  explicit Pooling(const Tables& tables);

  // The features [pooled] of a whole text of checked token ids.
  void pool(const int32_t* ids, int64_t count, float* features);

  // Asks for the rows that the first windows of a text read, while another text is pooled.
  void prepare(const int32_t* ids, int64_t count) const;

  // The same piece by piece: begin, then any number of pushes, then finish.
  void begin();
  void push(const int32_t* ids, int64_t count);
  void finish(float* features);

 private:
  bool pool_at_once(const int32_t* ids, int64_t count);
  void forget();
  void add(size_t i, int64_t start, int64_t count);
  void add_to_mean(size_t i, int64_t start, int64_t count);
  void slide(bool check, bool at_end);
  void make_room();
  bool has_token(int64_t start, const Width& width) const;
  void write_features(float* features);

  const Tables& tables_;
  int64_t capacity_;                 // rows that the buffer holds before it is worked off
  std::vector<int64_t> rows_;        // bytes of the table, with spare entries that a prefetch may read
  std::vector<int64_t> next_start_;  // next window of each width
  std::vector<int64_t> windows_;     // that a width has had
  std::vector<char> maxima_;         // of the table's type, for padded filters
  std::vector<double> sums_;         // of activations, for the means
  std::vector<float> recent_, one_;  // those of a stretch of windows, and of one
  int64_t filled_ = 0, pending_holes_ = 0;
  bool has_holes_ = false, has_tokens_ = false, moved_ = false;
};

}  // namespace textcnn
