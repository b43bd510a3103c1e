// The folded tables of one model: what `textcnn_tables_open` was given, checked, and where everything lies in a row.
//
// A table row holds, for one token, its term of every filter at every window offset:
//
//     row of a token | width 3: offset 0, offset 1, offset 2 | width 4: offset 0, ... | ...
//                      each offset: the padded filters of that width, side by side
//
// so that a convolution is a sum of row slices, and the last row of the table is the zero vector around a text.
#pragma once

#include <cstdint>
#include <vector>

#include "bag.hpp"
#include "spare.hpp"
#include "textcnn.h"

namespace textcnn {

enum class Activation : int { relu, tanh, identity, sigmoid, elu, leaky_relu, softplus };
enum class Padding : int { wide, same, valid };

// One width of the convolution: where its filters lie in a row, among the maxima and among the features.
struct Width {
  int64_t width;         // tokens of a window
  int64_t column_bytes;  // where its slices begin in a row
  int64_t slice_bytes;   // from one offset of the window to the next
  int64_t padded;        // filters with padding: a half vector, or at least a whole one
  int64_t maxima_at;     // its first padded filter among those of all widths
  int64_t filters;       // filters without padding
  int64_t feature_at;    // its first filter among those of all widths
  int64_t left, right;   // positions that a window may hang over the two ends of a text
};

class Pooling;

struct Tables {
  ~Tables();
  explicit Tables(const textcnn_tables_spec& spec);  // throws Error where a size, an index or a setting does not fit

  bool int8;
  int64_t vocab_size, rows, columns, row_bytes;
  int64_t features, padded_features, classes;
  bool means;      // whether the head also reads the mean of each filter's activations
  int64_t pooled;  // values that the head reads: `features` maxima, and as many means after them
  int64_t stride, dilation;
  int64_t left, right, span;  // the largest of all widths
  int64_t hole;               // byte at which the zero vector begins
  Activation activation;
  std::vector<Width> widths;
  std::vector<int32_t> row_of_id;  // a copy, so that it stays as it was checked; -1 for padding
  const char* table;
  const float *scale, *bias, *norm_weight, *norm_bias, *head_weight, *head_bias;
  double norm_epsilon;
  const Bag* bag;  // whose logits are added, or nullptr

  // A text in progress that no other call works on.
  Borrowed<Pooling> pooling() const;
  mutable Spare<Pooling> spare;

  int64_t element_bytes() const { return int8 ? 1 : 4; }
};

// Throws Error where offsets fall or a token id is not in the vocabulary.
void check_ids(const Tables& tables, const int32_t* ids, const int64_t* offsets, int64_t texts);

}  // namespace textcnn

struct textcnn_tables : textcnn::Tables {
  using textcnn::Tables::Tables;
};
