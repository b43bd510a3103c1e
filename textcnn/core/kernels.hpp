// What is compiled once for each set of instructions, behind one table of functions that is chosen when the library
// is loaded.
#pragma once

#include <cstdint>

#include "ascii_scan.hpp"
#include "tables.hpp"

namespace textcnn {

struct Kernels {
  const char* name;

  // maxima = the maximum with the sums of `count` windows of one width that begin at rows[start], a stride apart.
  // rows: bytes of the table at which the rows of a text's positions begin. maxima: of the table's type.
  void (*add_windows)(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                      void* maxima);
  // features [F] of the maxima of one width: scale, bias and, for ReLU, its floor.
  void (*scale_maxima)(const Tables& tables, const Width& width, const void* maxima, float* features);
  // logits [C] = head_weight [C, F] @ features [F] + head_bias [C].
  void (*apply_head)(const Tables& tables, const float* features, float* logits);
  // A row [columns] of a table: the rounded product of a vector [components] and filters [components, columns].
  void (*row_of_factors)(const int8_t* vector, const float* filters, int64_t components, int64_t columns, float* sums,
                         int8_t* row);
  // Ids of the words of ASCII text; see ascii_words.hpp.
  ScanStop (*scan_ascii)(AsciiScan& scan);
};

// The kernels in use.
const Kernels& kernels();

float activate(float value, Activation activation);

}  // namespace textcnn
