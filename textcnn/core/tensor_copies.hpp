// What a specification points to, from the tensors of a file: where they lie, or copied where a number may not lie there.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "json.hpp"
#include "safetensors.hpp"
#include "textcnn.h"

namespace textcnn {

class TensorCopies {
 public:
  // A copy of a tensor of float32; Error where it has another number of values.
  const float* floats(const SafeTensors& tensors, const char* name, size_t dimensions, int64_t count);

  // The table of a bag, the steps of one in 8 bits, and the second factor where there is one. `spec` has its classes.
  void read_table(const SafeTensors& tensors, const char* table, const char* scale, const char* output, textcnn_bag_spec& spec);

 private:
  std::deque<std::vector<float>> copies_;
};

// Error where a file has another format, or another digest than it says.
void check_file(const SafeTensors& tensors, std::string_view format, const char* remedy);

// The temperature in config.json; Error where it is no positive number.
double temperature_of(const Json& config);

}  // namespace textcnn
