// A bag of features: the rows of a text's tokens and of its hashed n-grams, added up or averaged.
//
// A text is an array of rows (-1 adds nothing) and an array of signed 32-bit hashes, one for each word or token. The two
// may have different lengths: fastText's subwords add several rows for one word, and its unknown words add none but take
// part in n-grams all the same. The hash of an n-gram is fastText's (Bojanowski et al. 2017,
// https://arxiv.org/abs/1607.04606), in unsigned 64 bits over the sign-extended hashes:
//
//     h = hash of the first; for each that follows: h = h * 116049371 + hash;   bucket = h mod buckets
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include "spare.hpp"
#include "textcnn.h"

namespace textcnn {

constexpr uint64_t kNgramFactor = 116049371;
// Longest n-gram; a larger number exists only in damaged files.
constexpr int64_t kLongestNgram = 64;

// 32-bit FNV-1a over signed bytes: fastText's hash of a word.
inline int32_t hash_of_word(std::string_view word) {
  uint32_t hash = 2166136261u;
  for (const char byte : word) hash = (hash ^ static_cast<uint32_t>(static_cast<int8_t>(byte))) * 16777619u;
  return static_cast<int32_t>(hash);
}

// The hash of a token id: the finaliser of MurmurHash3 (https://github.com/aappleby/smhasher) of the id plus 2^32 / phi,
// so that neighbouring ids lie far apart. textcnn/model/bag.py computes the same.
inline int32_t hash_of_id(int32_t id) {
  uint32_t hash = static_cast<uint32_t>(id) + 0x9E3779B9u;
  hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
  hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
  return static_cast<int32_t>(hash ^ hash >> 16);
}

class BagSum;

struct Bag {
  ~Bag();
  explicit Bag(const textcnn_bag_spec& spec);  // throws Error where a size or an index does not fit

  bool int8;
  int32_t pooling;
  int64_t rows, columns, row_bytes;
  int64_t first_bucket_row;  // rows before it are those of tokens
  int64_t buckets, ngrams;
  int64_t classes;
  double multiplier;
  std::vector<int32_t> row_of_bucket;  // a copy, so that it stays as it was checked; empty: first_bucket_row + bucket
  const char* table;
  const float *scale, *output;

  // The row of an n-gram; -1 for none.
  int64_t row_of_ngram(uint64_t hash) const {
    return row_of(static_cast<int64_t>(hash % static_cast<uint64_t>(buckets)));
  }
  int64_t row_of(int64_t bucket) const {
    return row_of_bucket.empty() ? first_bucket_row + bucket : row_of_bucket[static_cast<size_t>(bucket)];
  }

  // What the sum of so many rows is divided by.
  double divisor(int64_t count) const {
    if (pooling == 0 || count == 0) return 1;
    return pooling == 1 ? static_cast<double>(count) : std::sqrt(static_cast<double>(count));
  }

  // A sum in progress that no other call works on.
  Borrowed<BagSum> sum() const;
  mutable Spare<BagSum> spare;
};

// The hashes of the n-grams that end at the latest of the words seen.
class NgramHashes {
 public:
  explicit NgramHashes(int64_t longest) : hashes_(static_cast<size_t>(longest)) {}

  void begin() { count_ = 0; }

  // Calls use(length, hash) for each n-gram of two or more words that ends with the next one.
  template <class Use>
  void push(int32_t hash, Use&& use) {
    const auto own = static_cast<uint64_t>(static_cast<int64_t>(hash));
    const auto longest = static_cast<int64_t>(hashes_.size());
    // hashes_[k] is that of the k + 1 latest words.
    for (int64_t k = count_ < longest ? count_ : longest - 1; k > 0; --k) {
      hashes_[static_cast<size_t>(k)] = hashes_[static_cast<size_t>(k - 1)] * kNgramFactor + own;
      use(k + 1, hashes_[static_cast<size_t>(k)]);
    }
    hashes_[0] = own;
    if (count_ < longest) ++count_;
  }

 private:
  std::vector<uint64_t> hashes_;
  int64_t count_ = 0;
};

// One text in progress, of any length in the same memory: begin, then any number of pushes, then finish.
class BagSum {
 public:
  explicit BagSum(const Bag& bag);

  void begin();
  // Rows are those of `table`, checked; -1 adds nothing.
  void push_row(int64_t row) {
    if (row >= 0) add(row);
  }
  void push_hash(int32_t hash) {
    if (bag_.buckets > 0) hashes_.push(hash, [&](int64_t, uint64_t own) { push_row(bag_.row_of_ngram(own)); });
  }
  // Words on the two sides of a gap make no n-gram together.
  void push_gap() { hashes_.begin(); }
  // Adds the text's logits [C] to those that are there.
  void finish(float* logits);
  // Rows that were added, once the text is finished.
  int64_t count() const { return count_; }

 private:
  // Rows of a block: few enough to stay in the first cache once they have been asked for.
  static constexpr int64_t kBlockRows = 128;

  void add(int64_t row) {
    const int64_t at = row * bag_.row_bytes;
    __builtin_prefetch(bag_.table + at, 0, 3);
    if (bag_.row_bytes > 64) prefetch_row(at);
    rows_[static_cast<size_t>(filled_)] = at;
    if (++filled_ == kBlockRows) flush();
  }
  void prefetch_row(int64_t at) const;
  void flush();

  const Bag& bag_;
  NgramHashes hashes_;
  std::vector<int64_t> rows_;   // bytes of the table at which they begin
  std::vector<char> block_;     // sums of a block: float, or int32 for int8
  std::vector<double> totals_;  // [columns]
  std::vector<float> values_;   // [columns], of the second factor's product
  int64_t filled_ = 0, count_ = 0;
};

}  // namespace textcnn

struct textcnn_bag : textcnn::Bag {
  using textcnn::Bag::Bag;
};
