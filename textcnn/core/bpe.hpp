// Byte-pair encoding of one word (Sennrich et al. 2016, https://arxiv.org/abs/1508.07909).
#pragma once

#include <memory>

#include "word_model.hpp"

namespace textcnn {

std::unique_ptr<WordModel> read_bpe(const Json& model, bool byte_level);

}  // namespace textcnn
