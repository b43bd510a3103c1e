// The training operator: the maximum over windows, and its gradients. See textcnn.h for the arguments.
#pragma once

#include <new>
#include <utility>
#include <vector>

#include "textcnn.h"
#include "training.hpp"

namespace textcnn {

// Memory that begins at a cache line and holds nothing yet.
template <class T>
class Buffer {
 public:
  explicit Buffer(int64_t size)
      : values_(static_cast<T*>(::operator new(static_cast<size_t>(size) * sizeof(T), std::align_val_t{64}))) {}
  Buffer(Buffer&& other) noexcept : values_(std::exchange(other.values_, nullptr)) {}
  ~Buffer() { ::operator delete(values_, std::align_val_t{64}); }
  Buffer& operator=(Buffer&&) = delete;
  T* data() const { return values_; }
  T& operator[](int64_t i) const { return values_[i]; }

 private:
  T* values_;
};

// The arguments after they were checked.
struct Texts {
  explicit Texts(const textcnn_ngram_max_spec& spec);

  const textcnn_ngram_max_spec& spec;
  std::vector<Branch> branches;  // columns as in the gradient of the table: no spare ones
  int64_t features = 0;          // sum F
  int64_t columns = 0;           // R

  // Windows of a text of `length` tokens, those without a token among them.
  int64_t windows(const Branch& branch, int64_t length) const {
    const int64_t room = branch.left + length + branch.right - (branch.width - 1) * spec.dilation;
    return room > 0 ? (room + spec.stride - 1) / spec.stride : 0;
  }
};

template <class T>
void ngram_max(const Texts& texts, const T* const* biases, T* pooled, int64_t* winners);

template <class T>
void ngram_max_gradients(const Texts& texts, const int64_t* winners, const T* gradient, double dense,
                         T* vectors_gradient, T* const* weight_gradients, T* const* bias_gradients);

// Every stride-th value from `first` on.
template <class T>
struct Strided {
  const T* first;
  int64_t stride;
};

// Lays out b [depth, columns] in panels, for `multiply`; column_of(column) is where b[:, column] lies.
template <class T, class ColumnOf>
Buffer<T> panels_of(int64_t depth, int64_t columns, ColumnOf&& column_of) {
  static constexpr T zero = 0;
  const int64_t panel = training_functions<T>().panel;
  const int64_t padded = (columns + panel - 1) / panel * panel;
  Buffer<T> panels(padded * depth);
  for (int64_t column = 0; column < padded; ++column) {
    const Strided<T> source = column < columns ? column_of(column) : Strided<T>{&zero, 0};
    T* target = panels.data() + column / panel * panel * depth + column % panel;
    for (int64_t k = 0; k < depth; ++k) target[k * panel] = source.first[k * source.stride];
  }
  return panels;
}

}  // namespace textcnn
