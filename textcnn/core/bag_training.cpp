// The C interface of training a bag: everything that becomes an address is checked here.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "error.hpp"
#include "fasttext_words.hpp"
#include "parallel.hpp"
#include "training.hpp"

using namespace textcnn;

namespace {

constexpr int64_t kStretchTexts = 256;

void check_offsets(const int64_t* offsets, int64_t count, const char* name) {
  if (count < 0 || offsets[0] != 0) fail(std::string(name) + ": got a first offset other than 0; expected 0");
  for (int64_t n = 0; n < count; ++n)
    if (offsets[n + 1] < offsets[n]) fail(std::string(name) + ": got falling offsets at " + text_of(n) + "; expected them to rise");
}

void check_numbers(const int32_t* numbers, int64_t count, int64_t limit, const char* name) {
  for (int64_t k = 0; k < count; ++k)
    if (numbers[k] < 0 || numbers[k] >= limit)
      fail(std::string(name) + ": got " + text_of(numbers[k]) + "; expected 0 to " + text_of(limit - 1));
}

// Rows of a text's words, subwords and n-grams, each bucket with a row of its own.
struct Rows {
  int64_t words, buckets;
  NgramHashes ngrams;
  std::vector<int32_t>& out;

  void word(int32_t row, int32_t hash, int64_t, int64_t) {
    if (row >= 0) out.push_back(row);
    if (buckets > 0) ngrams.push(hash, [&](int64_t, uint64_t own) { bucket(static_cast<int64_t>(own % static_cast<uint64_t>(buckets)), 0, 0); });
  }
  void bucket(int64_t bucket, int64_t, int64_t) { out.push_back(static_cast<int32_t>(words + bucket)); }
};

}  // namespace

int64_t textcnn_words_rows(const textcnn_words* words, int64_t ngrams, const char* data, const int64_t* ends, int64_t texts,
                           int32_t threads, int64_t* offsets, int32_t** rows) {
  return guarded<int64_t>(-1, [&] {
    if (ngrams < 1 || ngrams > kLongestNgram) fail("ngrams: got " + text_of(ngrams) + "; expected 1 to 64");
    if (words->words() + words->buckets() > INT32_MAX) fail("rows: got more than 2^31; expected fewer words and buckets");
    for (int64_t n = 0; n < texts; ++n)
      if (ends[n] < (n == 0 ? 0 : ends[n - 1])) fail("ends: got falling ends at text " + text_of(n) + "; expected them to rise");
    const char* const limit = texts == 0 ? data : data + ends[texts - 1];
    std::vector<std::vector<int32_t>> parts(static_cast<size_t>((texts + kStretchTexts - 1) / kStretchTexts));
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      auto& out = parts[static_cast<size_t>(begin / kStretchTexts)];
      Rows listing{words->words(), ngrams > 1 ? words->buckets() : 0, NgramHashes(ngrams), out};
      for (int64_t n = begin; n < end; ++n) {
        const int64_t first = n == 0 ? 0 : ends[n - 1];
        listing.ngrams.begin();
        words->read({data + first, static_cast<size_t>(ends[n] - first)}, limit, listing);
        offsets[n + 1] = static_cast<int64_t>(out.size());
      }
    });
    offsets[0] = 0;
    int64_t total = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto begin = static_cast<int64_t>(i) * kStretchTexts;
      for (int64_t n = begin; n < std::min(texts, begin + kStretchTexts); ++n) offsets[n + 1] += total;
      total += static_cast<int64_t>(parts[i].size());
    }
    auto* all = static_cast<int32_t*>(std::malloc(sizeof(int32_t) * static_cast<size_t>(total + 1)));
    if (all == nullptr) throw std::bad_alloc();
    int64_t at = 0;
    for (auto& part : parts) {
      if (!part.empty()) std::memcpy(all + at, part.data(), sizeof(int32_t) * part.size());
      at += static_cast<int64_t>(part.size());
      part = {};
    }
    *rows = all;
    return total;
  });
}

int32_t textcnn_train_bag(const textcnn_bag_training_spec* spec, double* loss) {
  return guarded<int32_t>(-1, [&] {
    if (spec->rows < 1 || spec->columns < 1 || spec->outputs < 1) fail("training: got an empty matrix; expected rows and columns");
    if (spec->epochs < 1 || spec->epoch < 0 || spec->epoch >= spec->epochs) fail("epoch: got a number beyond the epochs");
    if (!std::isfinite(spec->learning_rate)) fail("learning_rate: got a number that is not finite");
    check_offsets(spec->offsets, spec->texts, "offsets");
    check_offsets(spec->label_offsets, spec->texts, "label_offsets");
    check_numbers(spec->row_indices, spec->offsets[spec->texts], spec->rows, "rows");
    check_numbers(spec->labels, spec->label_offsets[spec->texts], spec->outputs, "labels");
    if (spec->loss < 0 || spec->loss > 3) fail("loss: got " + text_of(spec->loss) + "; expected 0 to 3");
    const auto kind = static_cast<BagLoss>(spec->loss);
    if (kind == BagLoss::tree) {
      check_offsets(spec->path_begins, spec->outputs, "path_begins");
      check_numbers(spec->path_nodes, spec->path_begins[spec->outputs], spec->outputs, "path_nodes");
    }
    if (kind == BagLoss::negatives) {
      if (spec->negative_count < 1) fail("negatives: got none; expected at least one");
      check_numbers(spec->negatives, spec->negative_count, spec->outputs, "negatives");
      bool differs = spec->outputs == 1;
      for (int64_t k = 1; k < spec->negative_count; ++k) differs |= spec->negatives[k] != spec->negatives[0];
      if (!differs) fail("negatives: got one label only; expected several");
    }
    const BagTraining training{
        spec->texts, spec->columns, spec->outputs, spec->offsets, spec->row_indices, spec->label_offsets, spec->labels,
        spec->input, spec->output, spec->path_begins, spec->path_nodes, spec->path_sides, spec->negatives,
        spec->negative_count, spec->negative_samples, kind, spec->epoch, spec->epochs, spec->learning_rate, spec->seed};
    std::vector<int64_t> order(static_cast<size_t>(spec->texts));
    std::vector<float> numbers(static_cast<size_t>(2 * spec->columns + spec->outputs));
    *loss = training_kernels().train_bag(training, order.data(), numbers.data());
    return 0;
  });
}
