// The training operator and the optimizer of embedding rows: their shapes, and the functions that are compiled once
// for each set of instructions.
//
// Shapes: B texts, U distinct tokens, D vector size, W width, F filters of one width (all widths: sum F), R columns of
// the table, the sum of W x F.
#pragma once

#include <cstdint>
#include <type_traits>

namespace textcnn {

// One width: where its columns lie in the table and its features among all.
struct Branch {
  int64_t width, filters;
  int64_t left, right;  // zero vectors before and after a text
  int64_t feature;      // its first feature
  int64_t column;       // its first column in the table
  int64_t slice;        // columns of one place in the window: its filters, at least one vector of them
};

// A row of a matrix and what it is multiplied by.
template <class T>
struct Term {
  int32_t row;
  T factor;
};

// Number of a window, as wide as the values are, so that both lie in vectors of as many lanes.
template <class T>
using Number = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// How a row of an embedding moves in one step; see step_row and catch_up_row.
template <class T>
struct Step {
  T new_mean, keep_square, new_square, rate, eps;
};

template <class T>
struct TrainingFunctions {
  int64_t lanes;  // values of a vector
  int64_t panel;  // columns of a panel, which `multiply` reads side by side

  // c [rows, columns] = a [rows, depth] @ b [depth, columns]; b lies in panels: [columns / panel, depth, panel].
  void (*multiply)(const T* a, int64_t a_stride, int64_t rows, int64_t depth, const T* panels, int64_t columns, T* c,
                   int64_t c_stride);
  // best [slice] and window [slice] = the maxima of the windows of one text, and the first window that has each.
  // rows: where the row of each position begins in the table. numbers: the windows; one begins at position
  // number * stride.
  void (*pool)(const T* table, const int64_t* rows, const int32_t* numbers, int64_t count, int64_t stride,
               int64_t dilation, const Branch& branch, T* best, Number<T>* window);
  // totals [count, columns] = the sums of factor * matrix[row], each over `sizes` terms from `terms` on.
  void (*sum_rows)(const Term<T>* const* terms, const int64_t* sizes, int64_t count, const T* matrix, int64_t columns,
                   T* totals);
  // The steps that a row of `columns` weights has skipped: m / (sqrt(v) + eps) carries a weight `moved` times.
  void (*catch_up_row)(T* weight, T* mean, T* square, int64_t columns, T moved, T shrink_mean, T shrink_square, T eps);
  // One step of AdamW of a row.
  void (*step_row)(T* weight, T* mean, T* square, const T* gradient, int64_t columns, const Step<T>& step);
};

enum class BagLoss : int32_t { softmax, one_vs_all, tree, negatives };

// A bag in training, as `textcnn_bag_training_spec` has it.
struct BagTraining {
  int64_t texts, columns, outputs;
  const int64_t* offsets;
  const int32_t* row_indices;
  const int64_t* label_offsets;
  const int32_t* labels;
  float *input, *output;
  const int64_t* path_begins;
  const int32_t* path_nodes;
  const uint8_t* path_sides;
  const int32_t* negatives;
  int64_t negative_count, negative_samples;
  BagLoss loss;
  int64_t epoch, epochs;
  double learning_rate;
  uint64_t seed;
};

struct TrainingKernels {
  TrainingFunctions<float> float32;
  TrainingFunctions<double> float64;
  // One epoch of a bag; see bag_training.hpp.
  double (*train_bag)(const BagTraining& training, int64_t* order, float* numbers);
};

// The functions for the chosen instructions.
const TrainingKernels& training_kernels();

template <class T>
const TrainingFunctions<T>& training_functions() {
  if constexpr (std::is_same_v<T, float>)
    return training_kernels().float32;
  else
    return training_kernels().float64;
}

}  // namespace textcnn
