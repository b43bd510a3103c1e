// The part of each row of a bag in a logit: what an explanation is made of.
#include <vector>

#include "error.hpp"
#include "tables.hpp"

using namespace textcnn;

namespace {

// What a row adds to the logit of a class, before the division of the pooling. In double, as all contributions.
class RowValue {
 public:
  RowValue(const Bag& bag, int64_t index) : bag_(bag), index_(index) {}

  double of(int64_t row) const {
    if (bag_.output == nullptr) return at(row, index_) * bag_.multiplier;
    const float* output = bag_.output + index_ * bag_.columns;
    double sum = 0;
    for (int64_t d = 0; d < bag_.columns; ++d) sum += at(row, d) * static_cast<double>(output[d]);
    return sum * bag_.multiplier;
  }

 private:
  double at(int64_t row, int64_t column) const {
    const char* values = bag_.table + row * bag_.row_bytes;
    if (bag_.int8) return reinterpret_cast<const int8_t*>(values)[column] * static_cast<double>(bag_.scale[column]);
    return static_cast<double>(reinterpret_cast<const float*>(values)[column]);
  }

  const Bag& bag_;
  const int64_t index_;
};

}  // namespace

int64_t textcnn_bag_shares(const textcnn_tables* tables, const int32_t* ids, int64_t tokens, int64_t index,
                           int64_t* firsts, int32_t* lengths, double* weights) {
  return guarded<int64_t>(-1, [&] {
    if (tables->bag == nullptr) fail("got a model without a bag; expected bag 'sum', 'mean' or 'sqrtn'");
    if (index < 0 || index >= tables->classes)
      fail("index: got class " + text_of(index) + "; expected 0 to " + text_of(tables->classes - 1));
    const int64_t offsets[2] = {0, tokens};
    if (tokens < 0) fail("tokens: got " + text_of(tokens) + "; expected 0 or more");
    check_ids(*tables, ids, offsets, 1);
    const Bag& bag = *tables->bag;
    const RowValue value(bag, index);
    int64_t count = 0;
    const auto add = [&](int64_t row, int64_t first, int64_t length) {
      if (row < 0) return;
      firsts[count] = first;
      lengths[count] = static_cast<int32_t>(length);
      weights[count++] = value.of(row);
    };
    for (int64_t k = 0; k < tokens; ++k) add(tables->row_of_id[ids[k]], k, 1);
    NgramHashes ngrams(bag.ngrams);
    if (bag.buckets > 0)
      for (int64_t k = 0; k < tokens; ++k) {
        if (tables->row_of_id[ids[k]] < 0) {
          ngrams.begin();
          continue;
        }
        ngrams.push(hash_of_id(ids[k]), [&](int64_t length, uint64_t hash) {
          add(bag.row_of_ngram(hash), k + 1 - length, length);
        });
      }
    const double whole = bag.divisor(count);
    for (int64_t g = 0; g < count; ++g) weights[g] /= whole;
    return count;
  });
}

int32_t textcnn_bag_values(const textcnn_bag* bag, const int64_t* rows, int64_t count, int64_t index, double* values) {
  return guarded<int32_t>(-1, [&] {
    if (index < 0 || index >= bag->classes)
      fail("index: got class " + text_of(index) + "; expected 0 to " + text_of(bag->classes - 1));
    const RowValue value(*bag, index);
    for (int64_t g = 0; g < count; ++g) {
      if (rows[g] < 0 || rows[g] >= bag->rows)
        fail("rows: got row " + text_of(rows[g]) + "; expected 0 to " + text_of(bag->rows - 1));
      values[g] = value.of(rows[g]);
    }
    return 0;
  });
}
