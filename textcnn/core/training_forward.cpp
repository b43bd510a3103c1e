// The training operator's values: one matrix product folds the weights into a table with a row for each distinct
// token, in which a window is a sum of W slices of rows.
#include <algorithm>

#include "error.hpp"
#include "parallel.hpp"
#include "training_operator.hpp"

namespace textcnn {
namespace {

// Rows of the table and texts that a thread takes at a time.
constexpr int64_t kRowsAtATime = 72;
constexpr int64_t kTextsAtATime = 8;
// Positions after a text whose rows are fetched ahead, at most as many as windows.hpp and training_windows.hpp ask for.
constexpr int64_t kSparePositions = 8;
constexpr int64_t kMostOfInt32 = 0x7fffffff;

// The folded weights [D, W x slice] of a width, in panels.
template <class T>
Buffer<T> fold(const Branch& branch, const T* weight, int64_t dim) {
  static constexpr T zero = 0;
  return panels_of<T>(dim, branch.width * branch.slice, [&](int64_t column) {
    const int64_t place = column / branch.slice, filter = column % branch.slice;
    if (filter >= branch.filters) return Strided<T>{&zero, 0};
    return Strided<T>{weight + filter * dim * branch.width + place, branch.width};
  });
}

// One text after the other in the table of a width.
template <class T>
class Pooler {
 public:
  Pooler(const Texts& texts, const Branch& branch, const T* table, int64_t row_values)
      : texts_(texts), branch_(branch), table_(table), row_values_(row_values), best_(branch.slice),
        window_(branch.slice) {}

  void pool(const int64_t* index, int64_t length, const T* bias, T* pooled, int64_t* winners) {
    const int64_t zeros = texts_.spec.tokens * row_values_;
    rows_.assign(branch_.left + length + branch_.right + kSparePositions, zeros);
    for (int64_t t = 0; t < length; ++t)
      if (index[t] >= 0) rows_[branch_.left + t] = index[t] * row_values_;
    find_windows(length, zeros);
    if (!numbers_.empty())
      training_functions<T>().pool(table_, rows_.data(), numbers_.data(), static_cast<int64_t>(numbers_.size()),
                                   texts_.spec.stride, texts_.spec.dilation, branch_, best_.data(), window_.data());
    for (int64_t f = 0; f < branch_.filters; ++f) {
      pooled[f] = numbers_.empty() ? T(0) : best_[f] + bias[f];
      winners[f] = numbers_.empty() ? -1 : window_[f];
    }
  }

 private:
  // The windows that hold a token.
  void find_windows(int64_t length, int64_t zeros) {
    const int64_t* first = rows_.data();
    numbers_.clear();
    for (int64_t k = 0, count = texts_.windows(branch_, length); k < count; ++k, first += texts_.spec.stride)
      for (int64_t j = 0; j < branch_.width; ++j)
        if (first[j * texts_.spec.dilation] != zeros) {
          numbers_.push_back(static_cast<int32_t>(k));
          break;
        }
  }

  const Texts& texts_;
  const Branch& branch_;
  const T* table_;
  int64_t row_values_;
  std::vector<int64_t> rows_;
  std::vector<int32_t> numbers_;
  std::vector<T> best_;
  std::vector<Number<T>> window_;
};

int64_t at_least(const char* name, int64_t value, int64_t least, int64_t most = kMostOfInt32) {
  if (value < least || value > most)
    fail(std::string(name) + ": got " + text_of(value) + "; expected " + text_of(least) + " to " + text_of(most));
  return value;
}

}  // namespace

Texts::Texts(const textcnn_ngram_max_spec& given) : spec(given) {
  at_least("texts", spec.texts, 0);
  at_least("tokens", spec.tokens, 0, kMostOfInt32 - 1);
  at_least("dim", spec.dim, 1);
  at_least("stride", spec.stride, 1);
  at_least("dilation", spec.dilation, 1);
  at_least("threads", spec.threads, 1);
  for (int64_t i = 0; i < at_least("widths", spec.widths, 1); ++i) {
    Branch branch{};
    branch.width = at_least("kernel_sizes", spec.kernel_sizes[i], 1);
    branch.filters = branch.slice = at_least("num_filters", spec.num_filters[i], 1);
    branch.left = at_least("left", spec.left[i], 0);
    branch.right = at_least("right", spec.right[i], 0);
    branch.feature = features;
    branch.column = columns;
    features += branch.filters;
    columns = at_least("kernel_sizes x num_filters", columns + branch.width * branch.filters, 1);
    branches.push_back(branch);
  }
  if (spec.offsets[0] != 0) fail("offsets: got a first offset of " + text_of(spec.offsets[0]) + "; expected 0");
  int64_t zeros = 0;
  for (const Branch& branch : branches) zeros = std::max(zeros, branch.left + branch.right);
  for (int64_t b = 0; b < spec.texts; ++b)
    at_least("length of a text, from offsets", spec.offsets[b + 1] - spec.offsets[b], 0, kMostOfInt32 - zeros);
  for (int64_t n = 0; n < spec.offsets[spec.texts]; ++n)
    if (spec.index[n] < -1 || spec.index[n] >= spec.tokens)
      fail("index: got row " + text_of(spec.index[n]) + "; expected -1 to " + text_of(spec.tokens - 1));
}

// One width after the other, so that a table is small enough to stay in a cache.
template <class T>
void ngram_max(const Texts& texts, const T* const* biases, T* pooled, int64_t* winners) {
  const textcnn_ngram_max_spec& spec = texts.spec;
  const TrainingFunctions<T>& functions = training_functions<T>();
  for (int64_t i = 0; i < spec.widths; ++i) {
    Branch branch = texts.branches[i];
    branch.slice = std::max(branch.filters, functions.lanes);
    const int64_t row_values = (branch.width * branch.slice + functions.panel - 1) / functions.panel * functions.panel;
    const Buffer<T> panels = fold(branch, static_cast<const T*>(spec.weights[i]), spec.dim);
    const Buffer<T> table((spec.tokens + 1) * row_values);
    parallel(spec.tokens, kRowsAtATime, spec.threads, [&](int64_t begin, int64_t end) {
      functions.multiply(static_cast<const T*>(spec.vectors) + begin * spec.dim, spec.dim, end - begin, spec.dim,
                         panels.data(), row_values, table.data() + begin * row_values, row_values);
    });
    // The last row stands for what is no token.
    std::fill_n(table.data() + spec.tokens * row_values, row_values, T(0));
    parallel(spec.texts, kTextsAtATime, spec.threads, [&](int64_t begin, int64_t end) {
      Pooler<T> pooler(texts, branch, table.data(), row_values);
      for (int64_t b = begin; b < end; ++b)
        pooler.pool(spec.index + spec.offsets[b], spec.offsets[b + 1] - spec.offsets[b], biases[i],
                    pooled + b * texts.features + branch.feature, winners + b * texts.features + branch.feature);
    });
  }
}

template void ngram_max<float>(const Texts&, const float* const*, float*, int64_t*);
template void ngram_max<double>(const Texts&, const double* const*, double*, int64_t*);

}  // namespace textcnn
