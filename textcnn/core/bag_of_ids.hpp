// The bag of a model's token ids, where it has one: what is added to the logits of its convolutions.
#pragma once

#include <optional>

#include "bag.hpp"
#include "tables.hpp"

namespace textcnn {

// One text in progress. Padding adds no row, and no n-gram spans it.
class BagOfIds {
 public:
  explicit BagOfIds(const Tables& tables) : row_of_id_(tables.row_of_id.data()) {
    if (tables.bag != nullptr) sum_.emplace(tables.bag->spare, [&] { return std::make_unique<BagSum>(*tables.bag); });
  }

  // Adds the logits [C] of a whole text of checked ids to those that are there.
  void add(const int32_t* ids, int64_t count, float* logits) {
    begin();
    push(ids, count);
    finish(logits);
  }

  // The same piece by piece.
  void begin() {
    if (sum_) (*sum_)->begin();
  }
  void push(const int32_t* ids, int64_t count) {
    if (!sum_) return;
    BagSum& sum = **sum_;
    for (int64_t k = 0; k < count; ++k) {
      const int32_t row = row_of_id_[ids[k]];
      if (row < 0) {
        sum.push_gap();
        continue;
      }
      sum.push_row(row);
      sum.push_hash(hash_of_id(ids[k]));
    }
  }
  void finish(float* logits) {
    if (sum_) (*sum_)->finish(logits);
  }

 private:
  const int32_t* row_of_id_;
  std::optional<Borrowed<BagSum>> sum_;
};

}  // namespace textcnn
