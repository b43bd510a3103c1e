// A whole classifier from its files: config.json, tokenizer.json and folded.safetensors.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bag.hpp"
#include "json.hpp"
#include "safetensors.hpp"
#include "tables.hpp"
#include "tensor_copies.hpp"
#include "tokenizer.hpp"

namespace textcnn {

class Model {
 public:
  // Opens the files of a directory; throws Error or NotCompiled.
  static std::unique_ptr<textcnn_model> open(const std::string& directory);

  // The same from the contents of the files; `tables` must stay as it is.
  Model(std::string_view config, std::string_view tokenizer, std::string_view tables);

  // Writes the probabilities [C] of one text, or the numbers of a regression; returns the number of the largest.
  int64_t classify(std::string_view text, float* probabilities) const;

  const std::vector<std::string>& labels() const { return labels_; }
  const textcnn_tables& tables() const { return *tables_; }
  const textcnn_tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  void read_bag(const Json& config, const SafeTensors& tensors, const std::vector<int32_t>& row_of_id, double temperature);

  std::unique_ptr<FileBytes> file_;
  std::vector<std::string> labels_;
  bool multi_label_ = false, regression_ = false;
  std::vector<float> head_weight_, head_bias_;  // divided by the temperature
  TensorCopies copies_;
  std::vector<int8_t> made_table_;              // of factors
  std::vector<int64_t> kernel_sizes_, num_filters_;
  std::unique_ptr<textcnn_bag> bag_;
  std::unique_ptr<textcnn_tables> tables_;
  std::unique_ptr<textcnn_tokenizer> tokenizer_;
};

// The rounded product [rows, columns] of vectors [rows, components], int8, and filters [components, columns], float16.
void table_of_factors(const int8_t* vectors, const uint16_t* filters, int64_t rows, int64_t components, int64_t columns,
                      int8_t* table);

}  // namespace textcnn

struct textcnn_model : textcnn::Model {
  using textcnn::Model::Model;
};
