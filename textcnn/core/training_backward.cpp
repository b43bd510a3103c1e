// The training operator's gradients. Each text and filter has one winning window, so that the gradient of the table is
// sparse: at most B x W values in a column. The gradients of vectors and weights are sums of the rows that these
// values choose. Where they are not few, as with many texts over a small vocabulary, matrix products are faster.
#include <algorithm>

#include "error.hpp"
#include "parallel.hpp"
#include "training_operator.hpp"

namespace textcnn {
namespace {

// Features whose winners lie in one cache line.
constexpr int64_t kFeaturesAtATime = 8;
constexpr int64_t kRowsAtATime = 72;

template <class T>
class Gradients {
 public:
  Gradients(const Texts& texts, const int64_t* winners, const T* gradient)
      : texts_(texts),
        spec_(texts.spec),
        winners_(winners),
        gradient_(gradient),
        most_(std::min(spec_.texts, spec_.tokens)),
        terms_(texts.columns * most_),
        counts_(texts.columns, 0) {
    for (const Branch& branch : texts.branches) branch_of_.insert(branch_of_.end(), branch.filters, &branch);
  }

  // The gradient of the table, column by column: the tokens of each in the order of their texts, none of them twice.
  void find() {
    const int64_t share = (texts_.features + 4 * spec_.threads - 1) / (4 * spec_.threads);
    const int64_t stretch = (share + kFeaturesAtATime - 1) / kFeaturesAtATime * kFeaturesAtATime;
    parallel(texts_.features, stretch, spec_.threads, [&](int64_t begin, int64_t end) {
      // Of each token, the last column that it was met in and its place among the terms of that column.
      std::vector<std::pair<int32_t, int32_t>> met(spec_.tokens, {-1, 0});
      Buffer<Pick> picks(kFeaturesAtATime * spec_.texts);
      for (int64_t first = begin; first < end; first += kFeaturesAtATime) {
        const int64_t count = std::min(kFeaturesAtATime, end - first);
        int64_t picked[kFeaturesAtATime] = {};
        pick(first, count, picks.data(), picked);
        for (int64_t i = 0; i < count; ++i) add_columns(first + i, picks.data() + i * spec_.texts, picked[i], met);
      }
    });
  }

  int64_t terms() const {
    int64_t sum = 0;
    for (const int64_t count : counts_) sum += count;
    return sum;
  }

  // Gradients of the biases, which windows of every value move.
  void biases(T* const* output) const {
    std::vector<double> sums(texts_.features, 0);
    for (int64_t b = 0; b < spec_.texts; ++b)
      for (int64_t f = 0; f < texts_.features; ++f)
        if (winners_[b * texts_.features + f] >= 0) sums[f] += gradient_[b * texts_.features + f];
    for (size_t i = 0; i < texts_.branches.size(); ++i)
      std::copy_n(sums.data() + texts_.branches[i].feature, texts_.branches[i].filters, output[i]);
  }

  // Sums of the rows that the terms choose.
  void sum(T* vectors_gradient, T* const* weight_gradients) const {
    if (vectors_gradient != nullptr) sum_of_tokens(vectors_gradient);
    if (weight_gradients != nullptr) sum_of_columns(weight_gradients);
  }

  // The same as products of the whole gradient of the table.
  void multiply(T* vectors_gradient, T* const* weight_gradients) const {
    if (vectors_gradient != nullptr) {
      const Buffer<T> folded = folded_weights();
      product(table(texts_.columns, 1), spec_.tokens, texts_.columns, folded.data(), vectors_gradient);
    }
    if (weight_gradients == nullptr) return;
    const Buffer<T> rows(texts_.columns * spec_.dim);
    product(table(1, spec_.tokens), texts_.columns, spec_.tokens, static_cast<const T*>(spec_.vectors), rows.data());
    write(rows.data(), weight_gradients);
  }

 private:
  // A window that wins and has a gradient: the position that it begins at, and its text's in index.
  struct Pick {
    int64_t position, begin, end;
    T gradient;
  };

  int64_t column_of(int64_t feature, int64_t place) const {
    const Branch& branch = *branch_of_[feature];
    return branch.column + place * branch.filters + feature - branch.feature;
  }

  // picks [count, texts] of the features [first, first + count).
  void pick(int64_t first, int64_t count, Pick* picks, int64_t* picked) const {
    for (int64_t b = 0; b < spec_.texts; ++b) {
      const int64_t begin = spec_.offsets[b], end = spec_.offsets[b + 1];
      const int64_t row = b * texts_.features + first;
      const Branch* branch = nullptr;
      int64_t windows = 0;
      for (int64_t i = 0; i < count; ++i) {
        if (branch_of_[first + i] != branch) {
          branch = branch_of_[first + i];
          windows = texts_.windows(*branch, end - begin);
        }
        const int64_t winner = winners_[row + i];
        if (winner < -1 || (winner >= 0 && winner >= windows))
          fail("winners: got window " + text_of(winner) + " of text " + text_of(b) + "; expected -1 to " +
               text_of(windows - 1));
        picks[i * spec_.texts + picked[i]] = {begin + winner * spec_.stride - branch->left, begin, end,
                                              gradient_[row + i]};
        picked[i] += (winner >= 0) & (gradient_[row + i] != 0);
      }
    }
  }

  void add_columns(int64_t feature, const Pick* picks, int64_t picked, std::vector<std::pair<int32_t, int32_t>>& met) {
    for (int64_t j = 0; j < branch_of_[feature]->width; ++j) {
      const int32_t column = static_cast<int32_t>(column_of(feature, j));
      Term<T>* terms = terms_.data() + column * most_;
      int32_t count = 0;
      for (const Pick* pick = picks; pick < picks + picked; ++pick) {
        const int64_t position = pick->position + j * spec_.dilation;
        if (position < pick->begin || position >= pick->end || spec_.index[position] < 0) continue;
        const int32_t token = static_cast<int32_t>(spec_.index[position]);
        auto& [last_column, place] = met[token];
        if (last_column == column) {
          terms[place].factor += pick->gradient;
        } else {
          last_column = column;
          place = count;
          terms[count++] = {token, pick->gradient};
        }
      }
      counts_[column] = count;
    }
  }

  void sum_of_tokens(T* vectors_gradient) const {
    // A counting sort: the terms of token u lie from begins[u] to begins[u + 1] in the order of their columns.
    std::vector<int64_t> begins(spec_.tokens + 1, 0);
    for (int64_t column = 0; column < texts_.columns; ++column)
      for (int64_t e = 0; e < counts_[column]; ++e) ++begins[terms_[column * most_ + e].row + 1];
    for (int64_t u = 0; u < spec_.tokens; ++u) begins[u + 1] += begins[u];
    const Buffer<Term<T>> by_token(begins[spec_.tokens]);
    std::vector<const Term<T>*> first(spec_.tokens);
    std::vector<int64_t> sizes(spec_.tokens);
    for (int64_t u = 0; u < spec_.tokens; ++u) {
      first[u] = by_token.data() + begins[u];
      sizes[u] = begins[u + 1] - begins[u];
    }
    for (int64_t column = 0; column < texts_.columns; ++column)
      for (int64_t e = 0; e < counts_[column]; ++e) {
        const Term<T>& term = terms_[column * most_ + e];
        by_token[begins[term.row]++] = {static_cast<int32_t>(column), term.factor};
      }
    const Buffer<T> folded = folded_weights();
    parallel(spec_.tokens, stretch(spec_.tokens), spec_.threads, [&](int64_t begin, int64_t end) {
      training_functions<T>().sum_rows(first.data() + begin, sizes.data() + begin, end - begin, folded.data(),
                                       spec_.dim, vectors_gradient + begin * spec_.dim);
    });
  }

  void sum_of_columns(T* const* weight_gradients) const {
    std::vector<const Term<T>*> first(texts_.columns);
    for (int64_t column = 0; column < texts_.columns; ++column) first[column] = terms_.data() + column * most_;
    const Buffer<T> totals(texts_.columns * spec_.dim);
    parallel(texts_.columns, stretch(texts_.columns), spec_.threads, [&](int64_t begin, int64_t end) {
      training_functions<T>().sum_rows(first.data() + begin, counts_.data() + begin, end - begin,
                                       static_cast<const T*>(spec_.vectors), spec_.dim,
                                       totals.data() + begin * spec_.dim);
    });
    write(totals.data(), weight_gradients);
  }

  // Sums that a thread takes at a time: many, because they share what they read.
  int64_t stretch(int64_t sums) const { return std::max<int64_t>(1, (sums + 2 * spec_.threads - 1) / (2 * spec_.threads)); }

  // The gradient of the folded weights [R, D], as each weight lies [F, D, W].
  void write(const T* rows, T* const* weight_gradients) const {
    for (size_t i = 0; i < texts_.branches.size(); ++i) {
      const Branch& branch = texts_.branches[i];
      for (int64_t f = 0; f < branch.filters; ++f)
        for (int64_t j = 0; j < branch.width; ++j) {
          const T* row = rows + (branch.column + j * branch.filters + f) * spec_.dim;
          T* output = weight_gradients[i] + f * spec_.dim * branch.width + j;
          for (int64_t d = 0; d < spec_.dim; ++d) output[d * branch.width] = row[d];
        }
    }
  }

  // The weights as rows [R, D], in the order of the table's columns.
  Buffer<T> folded_weights() const {
    Buffer<T> folded(texts_.columns * spec_.dim);
    for (int64_t feature = 0; feature < texts_.features; ++feature) {
      const Branch& branch = *branch_of_[feature];
      const T* weight = static_cast<const T*>(spec_.weights[&branch - texts_.branches.data()]);
      weight += (feature - branch.feature) * spec_.dim * branch.width;
      for (int64_t j = 0; j < branch.width; ++j) {
        T* row = folded.data() + column_of(feature, j) * spec_.dim;
        for (int64_t d = 0; d < spec_.dim; ++d) row[d] = weight[d * branch.width + j];
      }
    }
    return folded;
  }

  // The gradient of the table with its zeros: token u of column c at u * token_step + c * column_step.
  Buffer<T> table(int64_t token_step, int64_t column_step) const {
    Buffer<T> values(spec_.tokens * texts_.columns);
    std::fill_n(values.data(), spec_.tokens * texts_.columns, T(0));
    for (int64_t column = 0; column < texts_.columns; ++column)
      for (int64_t e = 0; e < counts_[column]; ++e) {
        const Term<T>& term = terms_[column * most_ + e];
        values[term.row * token_step + column * column_step] = term.factor;
      }
    return values;
  }

  // output [rows, D] = a [rows, depth] @ b [depth, D].
  void product(const Buffer<T>& a, int64_t rows, int64_t depth, const T* b, T* output) const {
    const int64_t dim = spec_.dim;
    const Buffer<T> panels = panels_of<T>(depth, dim, [&](int64_t column) { return Strided<T>{b + column, dim}; });
    parallel(rows, kRowsAtATime, spec_.threads, [&](int64_t begin, int64_t end) {
      training_functions<T>().multiply(a.data() + begin * depth, depth, end - begin, depth, panels.data(), dim,
                                       output + begin * dim, dim);
    });
  }

  const Texts& texts_;
  const textcnn_ngram_max_spec& spec_;
  const int64_t* winners_;
  const T* gradient_;
  int64_t most_;            // terms that a column has room for
  Buffer<Term<T>> terms_;   // [R, most]
  std::vector<int64_t> counts_;
  std::vector<const Branch*> branch_of_;  // of each feature
};

}  // namespace

template <class T>
void ngram_max_gradients(const Texts& texts, const int64_t* winners, const T* gradient, double dense,
                         T* vectors_gradient, T* const* weight_gradients, T* const* bias_gradients) {
  Gradients<T> gradients(texts, winners, gradient);
  if (bias_gradients != nullptr) gradients.biases(bias_gradients);
  if (vectors_gradient == nullptr && weight_gradients == nullptr) return;
  gradients.find();
  if (static_cast<double>(gradients.terms()) > dense * static_cast<double>(texts.spec.tokens * texts.columns))
    gradients.multiply(vectors_gradient, weight_gradients);
  else
    gradients.sum(vectors_gradient, weight_gradients);
}

template void ngram_max_gradients<float>(const Texts&, const int64_t*, const float*, double, float*, float* const*,
                                         float* const*);
template void ngram_max_gradients<double>(const Texts&, const int64_t*, const double*, double, double*, double* const*,
                                          double* const*);

}  // namespace textcnn
