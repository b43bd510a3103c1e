// A converted fastText model from its files: config.json and folded.safetensors as exported pages hold it.
//
// The dictionary is text there, one word a line, and the buckets that have a row are steps from each to the next: both
// are compressed far better than the numbers of an artifact.
#pragma once

#include <memory>
#include <string_view>

#include "bag.hpp"
#include "fasttext_words.hpp"
#include "tensor_copies.hpp"

namespace textcnn {

class FastTextModel {
 public:
  // `tables` must stay as it is; throws Error.
  FastTextModel(std::string_view config, std::string_view tables);

  const textcnn_words& words() const { return *words_; }
  const textcnn_bag& bag() const { return *bag_; }

 private:
  TensorCopies copies_;
  std::unique_ptr<textcnn_words> words_;
  std::unique_ptr<textcnn_bag> bag_;
};

}  // namespace textcnn

struct textcnn_fasttext : textcnn::FastTextModel {
  using textcnn::FastTextModel::FastTextModel;
};
