// What is compiled once for each set of instructions, behind one table of functions that is chosen when the library
// is loaded.
#pragma once

#include <cstdint>

#include "tables.hpp"
#include "training.hpp"

namespace textcnn {

struct Kernels {
  const char* name;
  const TrainingKernels* training;

  // maxima = the maximum with the sums of `count` windows of one width that begin at rows[start], a stride apart.
  // rows: bytes of the table at which the rows of a text's positions begin. maxima: of the table's type.
  void (*add_windows)(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                      void* maxima);
  // features [F] of the maxima of one width: scale, bias and, for ReLU, its floor.
  void (*scale_maxima)(const Tables& tables, const Width& width, const void* maxima, float* features);
  // logits [C] = head_weight [C, F] @ features [F] + head_bias [C].
  void (*apply_head)(const Tables& tables, const float* features, float* logits);
};

// The kernels in use.
const Kernels& kernels();

float activate(float value, Activation activation);

}  // namespace textcnn
