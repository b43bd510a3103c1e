// What is compiled once for each set of instructions, behind one table of functions that is chosen when the library
// is loaded.
#pragma once

#include <cstdint>

#include "ascii_scan.hpp"
#include "bag.hpp"
#include "tables.hpp"
#include "training.hpp"

namespace textcnn {

// Windows that `find_winners` looks at in one call: their numbers fit a lane of int8.
constexpr int64_t kWinnersAtOnce = 64;

// What `least_of_tokens` reads and fills, as `textcnn_least_of_tokens` has it. values [F] is a buffer of the caller.
struct Replacements {
  const int64_t* vocabulary;
  int64_t count;
  const float *base, *rest;
  const uint8_t* replaceable;
  const float* functions;
  int64_t function_count;
  Activation activation;
  float* least;
};

struct Kernels {
  const char* name;
  const TrainingKernels* training;

  // maxima = the maximum with the sums of `count` windows of one width that begin at rows[start], a stride apart.
  // rows: bytes of the table at which the rows of a text's positions begin. maxima: of the table's type.
  void (*add_windows)(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                      void* maxima);
  // totals [F of the width] += the activations of `count` windows, as above: scaled sums with the bias above 0, and `slope`
  // times them below.
  void (*add_activations)(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                          float slope, float* totals);
  // features [F] of the maxima of one width: scale, bias and, for ReLU, its floor.
  void (*scale_maxima)(const Tables& tables, const Width& width, const void* maxima, float* features);
  // logits [N, C] = features [N, pooled] @ head_weight [C, pooled] + head_bias [C].
  void (*apply_head)(const Tables& tables, const float* features, int64_t texts, float* logits);
  // A row [columns] of a table: the rounded product of a vector [components] and filters [components, columns].
  void (*row_of_factors)(const int8_t* vector, const float* filters, int64_t components, int64_t columns, float* sums,
                         int8_t* row);
  // Ids of the words of ASCII text; see ascii_words.hpp.
  ScanStop (*scan_ascii)(AsciiScan& scan);
  // The best and the second best sum of every filter of one width, and where the best window begins in `rows`, with
  // `count` more windows, of which there are at most kWinnersAtOnce. best, second: of the table's type, for the padded
  // filters of all widths, as is `place`. buffer: 3 values of that type for each padded filter of the width.
  void (*find_winners)(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                       void* buffer, void* best, void* second, int32_t* place);
  // sums [F] = best with scale and bias, start [F] = place - first, of one width.
  void (*finish_winners)(const Tables& tables, const Width& width, const void* best, const int32_t* place,
                         int32_t first, float* sums, int32_t* start);
  // The least values of the positions begin .. end. values: a buffer [F].
  void (*least_of_tokens)(const Tables& tables, const Replacements& replacements, int64_t begin, int64_t end,
                          float* values);
  // sums [columns] of `count` rows of a bag's table that begin at the bytes `rows`: float, or int32 for int8.
  void (*add_bag_rows)(const Bag& bag, const int64_t* rows, int64_t count, void* sums);
  // logits [C] += the second factor of a bag [C, columns] @ values [columns].
  void (*apply_bag_output)(const Bag& bag, const float* values, float* logits);
};

// The kernels in use.
const Kernels& kernels();

float activate(float value, Activation activation);

}  // namespace textcnn
