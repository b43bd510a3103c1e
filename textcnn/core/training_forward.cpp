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

// The widths [begin, end) with columns of their own table; slices are at least one vector long.
template <class T>
struct Part {
  std::vector<Branch> branches;
  std::vector<const T*> weights;
  int64_t columns = 0;
};

template <class T>
std::vector<Part<T>> parts_of(const Texts& texts, int64_t table_bytes) {
  const int64_t row_bytes = static_cast<int64_t>(sizeof(T));
  std::vector<Part<T>> parts;
  for (size_t i = 0; i < texts.branches.size(); ++i) {
    Branch branch = texts.branches[i];
    branch.slice = std::max(branch.filters, training_functions<T>().lanes);
    const int64_t columns = branch.width * branch.slice;
    if (parts.empty() || (parts.back().columns + columns) * row_bytes * (texts.spec.tokens + 1) > table_bytes)
      parts.emplace_back();
    branch.column = parts.back().columns;
    parts.back().columns += columns;
    parts.back().branches.push_back(branch);
    parts.back().weights.push_back(static_cast<const T*>(texts.spec.weights[i]));
  }
  return parts;
}

// The folded weights [D, columns] of a part, in panels.
template <class T>
Buffer<T> fold(const Part<T>& part, int64_t dim) {
  static constexpr T zero = 0;
  size_t i = 0;
  return panels_of<T>(dim, part.columns, [&](int64_t column) {
    while (column >= part.branches[i].column + part.branches[i].width * part.branches[i].slice) ++i;
    const Branch& branch = part.branches[i];
    const int64_t place = (column - branch.column) / branch.slice, filter = (column - branch.column) % branch.slice;
    if (filter >= branch.filters) return Strided<T>{&zero, 0};
    return Strided<T>{part.weights[i] + filter * dim * branch.width + place, branch.width};
  });
}

// One text after the other in a table of a part.
template <class T>
class Pooler {
 public:
  Pooler(const Texts& texts, const Part<T>& part, const T* table, int64_t row_values)
      : texts_(texts), part_(part), table_(table), row_values_(row_values) {
    for (const Branch& branch : part.branches) {
      left_ = std::max(left_, branch.left);
      right_ = std::max(right_, branch.right);
      slice_ = std::max(slice_, branch.slice);
    }
    best_.resize(slice_);
    window_.resize(slice_);
  }

  void pool(const int64_t* index, int64_t length, const T* const* biases, T* pooled, int64_t* winners) {
    const int64_t zeros = texts_.spec.tokens * row_values_;
    rows_.assign(left_ + length + right_ + kSparePositions, zeros);
    for (int64_t t = 0; t < length; ++t)
      if (index[t] >= 0) rows_[left_ + t] = index[t] * row_values_;
    for (size_t i = 0; i < part_.branches.size(); ++i) {
      const Branch& branch = part_.branches[i];
      find_windows(branch, length, zeros);
      if (!numbers_.empty())
        training_functions<T>().pool(table_ + branch.column, rows_.data() + left_ - branch.left, numbers_.data(),
                                     static_cast<int64_t>(numbers_.size()), texts_.spec.stride, texts_.spec.dilation,
                                     branch, best_.data(), window_.data());
      const T* bias = biases[i];
      for (int64_t f = 0; f < branch.filters; ++f) {
        pooled[branch.feature + f] = numbers_.empty() ? T(0) : best_[f] + bias[f];
        winners[branch.feature + f] = numbers_.empty() ? -1 : window_[f];
      }
    }
  }

 private:
  // The windows that hold a token.
  void find_windows(const Branch& branch, int64_t length, int64_t zeros) {
    const int64_t* first = rows_.data() + left_ - branch.left;
    numbers_.clear();
    for (int64_t k = 0, count = texts_.windows(branch, length); k < count; ++k, first += texts_.spec.stride)
      for (int64_t j = 0; j < branch.width; ++j)
        if (first[j * texts_.spec.dilation] != zeros) {
          numbers_.push_back(static_cast<int32_t>(k));
          break;
        }
  }

  const Texts& texts_;
  const Part<T>& part_;
  const T* table_;
  int64_t row_values_, left_ = 0, right_ = 0, slice_ = 0;
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

template <class T>
void ngram_max(const Texts& texts, const T* const* biases, int64_t table_bytes, T* pooled, int64_t* winners) {
  const textcnn_ngram_max_spec& spec = texts.spec;
  const TrainingFunctions<T>& functions = training_functions<T>();
  for (const Part<T>& part : parts_of<T>(texts, table_bytes)) {
    const int64_t row_values = (part.columns + functions.panel - 1) / functions.panel * functions.panel;
    const Buffer<T> panels = fold(part, spec.dim);
    const Buffer<T> table((spec.tokens + 1) * row_values);
    parallel(spec.tokens, kRowsAtATime, spec.threads, [&](int64_t begin, int64_t end) {
      functions.multiply(static_cast<const T*>(spec.vectors) + begin * spec.dim, spec.dim, end - begin, spec.dim,
                         panels.data(), row_values, table.data() + begin * row_values, row_values);
    });
    // The last row stands for what is no token.
    std::fill_n(table.data() + spec.tokens * row_values, row_values, T(0));
    parallel(spec.texts, kTextsAtATime, spec.threads, [&](int64_t begin, int64_t end) {
      Pooler<T> pooler(texts, part, table.data(), row_values);
      for (int64_t b = begin; b < end; ++b)
        pooler.pool(spec.index + spec.offsets[b], spec.offsets[b + 1] - spec.offsets[b], biases,
                    pooled + b * texts.features, winners + b * texts.features);
    });
    biases += part.branches.size();
  }
}

template void ngram_max<float>(const Texts&, const float* const*, int64_t, float*, int64_t*);
template void ngram_max<double>(const Texts&, const double* const*, int64_t, double*, int64_t*);

}  // namespace textcnn
