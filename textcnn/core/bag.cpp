// Opens bags and adds them up; the C interface of both.
#include "bag.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"
#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace textcnn {
namespace {

constexpr int64_t kMostRows = int64_t{1} << 31;
constexpr int64_t kMostColumns = int64_t{1} << 24;
constexpr int64_t kStretchTexts = 64;

void check(bool holds, const char* name, int64_t got, const char* expected) {
  if (!holds) fail(std::string("bag: ") + name + ": got " + text_of(got) + "; expected " + expected + "; fold the model again");
}

void check_floats(const float* values, int64_t count, const char* name) {
  if (reinterpret_cast<uintptr_t>(values) % 4 != 0) fail(std::string("bag: ") + name + ": got an address that is no multiple of 4; copy the tensor");
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i]))
      fail(std::string("bag: ") + name + ": got a value that is not finite at " + text_of(i) + "; fold the model again");
}

void check_offsets(const int64_t* offsets, int64_t texts, const char* name) {
  if (texts < 0 || offsets[0] != 0)
    fail(std::string(name) + ": got a first offset other than 0; expected offsets that rise from 0");
  for (int64_t n = 0; n < texts; ++n)
    if (offsets[n + 1] < offsets[n])
      fail(std::string(name) + ": got falling offsets at text " + text_of(n) + "; expected them to rise");
}

void check_rows(const Bag& bag, const int32_t* rows, int64_t count) {
  for (int64_t k = 0; k < count; ++k)
    if (rows[k] < -1 || rows[k] >= bag.rows)
      fail("rows: got row " + text_of(rows[k]) + "; expected -1 to " + text_of(bag.rows - 1));
}

}  // namespace

Bag::~Bag() = default;

Bag::Bag(const textcnn_bag_spec& spec) {
  check(spec.rows >= 1 && spec.rows < kMostRows, "table", spec.rows, "at least one row");
  check(spec.columns >= 1 && spec.columns <= kMostColumns, "table", spec.columns, "at least one column");
  check(spec.classes >= 1 && spec.classes <= kMostColumns, "classes", spec.classes, "at least one");
  check(spec.buckets >= 0 && spec.buckets < kMostRows, "buckets", spec.buckets, "0 or more");
  check(spec.ngrams >= 1 && spec.ngrams <= kLongestNgram, "ngrams", spec.ngrams, "1 to 64");
  check(spec.buckets > 0 || spec.ngrams == 1, "buckets", spec.buckets, "1 or more for n-grams");
  check(spec.first_bucket_row >= 0 && spec.first_bucket_row <= spec.rows, "first_bucket_row", spec.first_bucket_row,
        "a row of the table");
  check(spec.pooling >= 0 && spec.pooling <= 2, "pooling", spec.pooling, "0 (sum), 1 (mean) or 2 (sqrtn)");
  if (spec.table == nullptr) fail("bag: table: got none; expected a tensor; fold the model again");
  if (!std::isfinite(spec.multiplier)) fail("bag: multiplier: got a number that is not finite; calibrate the model again");
  int8 = spec.is_int8 != 0;
  pooling = spec.pooling;
  rows = spec.rows;
  columns = spec.columns;
  row_bytes = columns * (int8 ? 1 : 4);
  first_bucket_row = spec.first_bucket_row;
  buckets = spec.ngrams > 1 ? spec.buckets : 0;
  ngrams = spec.ngrams;
  classes = spec.classes;
  multiplier = spec.multiplier;
  table = static_cast<const char*>(spec.table);
  scale = spec.scale;
  output = spec.output;
  if (int8) {
    if (scale == nullptr) fail("bag: scale: got none; expected one number a column; fold the model again");
    check_floats(scale, columns, "scale");
  } else if (reinterpret_cast<uintptr_t>(table) % 4 != 0) {
    fail("bag: table: got an address that is no multiple of 4; copy the tensor");
  }
  if (output != nullptr)
    check_floats(output, classes * columns, "output");
  else
    check(columns == classes, "table", columns, "one column a class");
  if (spec.row_of_bucket != nullptr) {
    row_of_bucket.assign(spec.row_of_bucket, spec.row_of_bucket + spec.buckets);
    for (const int32_t row : row_of_bucket) check(row >= -1 && row < rows, "row_of_bucket", row, "-1 or a row of the table");
  } else {
    check(buckets <= rows - first_bucket_row, "table", rows, "a row for each bucket");
  }
}

Borrowed<BagSum> Bag::sum() const {
  return {spare, [this] { return std::make_unique<BagSum>(*this); }};
}

BagSum::BagSum(const Bag& bag)
    : bag_(bag),
      hashes_(bag.ngrams),
      rows_(kBlockRows),
      block_(static_cast<size_t>(bag.columns * 4)),
      totals_(static_cast<size_t>(bag.columns)),
      values_(static_cast<size_t>(bag.output == nullptr ? 0 : bag.columns)) {}

void BagSum::begin() {
  hashes_.begin();
  std::fill(totals_.begin(), totals_.end(), 0.0);
  filled_ = count_ = 0;
}

void BagSum::prefetch_row(int64_t at) const {
  for (int64_t byte = 64; byte < bag_.row_bytes; byte += 64) prefetch(bag_.table + at + byte);
}

void BagSum::flush() {
  kernels().add_bag_rows(bag_, rows_.data(), filled_, block_.data());
  const auto columns = static_cast<size_t>(bag_.columns);
  if (bag_.int8) {
    const auto* sums = reinterpret_cast<const int32_t*>(block_.data());
    for (size_t c = 0; c < columns; ++c) totals_[c] += sums[c];
  } else {
    const auto* sums = reinterpret_cast<const float*>(block_.data());
    for (size_t c = 0; c < columns; ++c) totals_[c] += static_cast<double>(sums[c]);
  }
  count_ += filled_;
  filled_ = 0;
}

void BagSum::finish(float* logits) {
  if (filled_ > 0) flush();
  if (count_ == 0) return;
  const double factor = bag_.multiplier / bag_.divisor(count_);
  const auto value = [&](int64_t c) {
    return totals_[static_cast<size_t>(c)] * factor * (bag_.int8 ? static_cast<double>(bag_.scale[c]) : 1.0);
  };
  if (bag_.output == nullptr) {
    for (int64_t c = 0; c < bag_.classes; ++c) logits[c] = static_cast<float>(logits[c] + value(c));
    return;
  }
  for (int64_t d = 0; d < bag_.columns; ++d) values_[static_cast<size_t>(d)] = static_cast<float>(value(d));
  kernels().apply_bag_output(bag_, values_.data(), logits);
}

}  // namespace textcnn

using namespace textcnn;

int32_t textcnn_hash_of_word(const char* word, size_t bytes) { return hash_of_word({word, bytes}); }

int32_t textcnn_hashes_of_ids(const int32_t* ids, int64_t count, int32_t* hashes) {
  for (int64_t k = 0; k < count; ++k) hashes[k] = hash_of_id(ids[k]);
  return 0;
}

textcnn_bag* textcnn_bag_open(const textcnn_bag_spec* spec) {
  return guarded<textcnn_bag*>(nullptr, [&] { return new textcnn_bag(*spec); });
}

void textcnn_bag_close(textcnn_bag* bag) { delete bag; }

int32_t textcnn_bag_logits(const textcnn_bag* bag, const int32_t* rows, const int64_t* row_offsets, const int32_t* hashes,
                           const int64_t* hash_offsets, int64_t texts, int32_t threads, float* logits) {
  return guarded<int32_t>(-1, [&] {
    check_offsets(row_offsets, texts, "row_offsets");
    check_offsets(hash_offsets, texts, "hash_offsets");
    check_rows(*bag, rows, row_offsets[texts]);
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      const auto sum = bag->sum();
      for (int64_t n = begin; n < end; ++n) {
        sum->begin();
        for (int64_t k = row_offsets[n]; k < row_offsets[n + 1]; ++k) sum->push_row(rows[k]);
        for (int64_t k = hash_offsets[n]; k < hash_offsets[n + 1]; ++k) sum->push_hash(hashes[k]);
        std::fill_n(logits + n * bag->classes, bag->classes, 0.0f);
        sum->finish(logits + n * bag->classes);
      }
    });
    return 0;
  });
}

int64_t textcnn_bag_features(const textcnn_bag* bag, const int32_t* rows, int64_t row_count, const int32_t* hashes,
                             int64_t hash_count, int32_t* feature_rows, int64_t* firsts, int32_t* lengths) {
  return guarded<int64_t>(-1, [&] {
    check_rows(*bag, rows, row_count);
    int64_t count = 0;
    const auto add = [&](int64_t row, int64_t first, int64_t length) {
      if (row < 0) return;
      feature_rows[count] = static_cast<int32_t>(row);
      firsts[count] = first;
      lengths[count++] = static_cast<int32_t>(length);
    };
    for (int64_t k = 0; k < row_count; ++k) add(rows[k], k, 1);
    NgramHashes ngrams(bag->ngrams);
    if (bag->buckets > 0)
      for (int64_t k = 0; k < hash_count; ++k)
        ngrams.push(hashes[k], [&](int64_t length, uint64_t hash) { add(bag->row_of_ngram(hash), k + 1 - length, length); });
    return count;
  });
}
