// The most probable pieces of a word (Kudo 2018, https://arxiv.org/abs/1804.10959).
#pragma once

#include <memory>

#include "word_model.hpp"

namespace textcnn {

std::unique_ptr<WordModel> read_unigram(const Json& model);

}  // namespace textcnn
