// The head of a model over successive texts: some wait for each other, so that its weights are read once for all of them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels.hpp"

namespace textcnn {

class Head {
 public:
  // features [N, pooled] of all texts, or nullptr; logits [N, C].
  Head(const Tables& tables, float* features, float* logits)
      : tables_(tables),
        // A bag adds its logits to those that are there.
        most_(tables.bag == nullptr ? kTexts : 1),
        features_(features),
        logits_(logits),
        own_(static_cast<size_t>(features == nullptr ? most_ * tables.pooled : 0)) {}

  // Where the features [pooled] of text n go, which follows the text before.
  float* features_of(int64_t n) {
    return features_ == nullptr ? own_.data() + waiting_ * tables_.pooled : features_ + n * tables_.pooled;
  }

  // Takes text n, whose features are there; its logits [C] are written by now if it is the last.
  void add(int64_t n, bool is_last) {
    if (++waiting_ < most_ && !is_last) return;
    const int64_t first = n + 1 - waiting_;
    const float* features = features_ == nullptr ? own_.data() : features_ + first * tables_.pooled;
    kernels().apply_head(tables_, features, waiting_, logits_ + first * tables_.classes);
    waiting_ = 0;
  }

 private:
  static constexpr int64_t kTexts = 16;
  const Tables& tables_;
  int64_t most_, waiting_ = 0;
  float *features_, *logits_;
  std::vector<float> own_;
};

}  // namespace textcnn
