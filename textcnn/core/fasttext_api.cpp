// The C interface of fastText's words, and of text to logits in one call.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "error.hpp"
#include "fasttext_words.hpp"
#include "parallel.hpp"

using namespace textcnn;

namespace {

constexpr int64_t kStretchTexts = 64;

// Adds what a text is made of to a sum.
struct Adding {
  BagSum& sum;
  const Bag& bag;

  void word(int32_t row, int32_t hash, int64_t, int64_t) {
    sum.push_row(row);
    sum.push_hash(hash);
  }
  void bucket(int64_t bucket, int64_t, int64_t) { sum.push_row(bag.row_of(bucket)); }
};

// Notes the words and the features of a text.
struct Listing {
  const Bag& bag;
  NgramHashes ngrams;
  std::vector<int64_t> words, features;

  void word(int32_t row, int32_t hash, int64_t begin, int64_t end) {
    const auto index = static_cast<int64_t>(words.size()) / 3;
    words.insert(words.end(), {begin, end, row});
    if (row >= 0) features.insert(features.end(), {row, index, 1, begin, end});
    if (bag.buckets > 0)
      ngrams.push(hash, [&](int64_t length, uint64_t own) {
        const int64_t of_ngram = bag.row_of_ngram(own), first = index + 1 - length;
        if (of_ngram >= 0) features.insert(features.end(), {of_ngram, first, length, words[static_cast<size_t>(3 * first)], end});
      });
  }
  void bucket(int64_t bucket, int64_t begin, int64_t end) {
    const int64_t row = bag.row_of(bucket);
    if (row >= 0) features.insert(features.end(), {row, static_cast<int64_t>(words.size()) / 3 - 1, 0, begin, end});
  }
};

void check_fit(const FastTextWords& words, const Bag& bag) {
  if (words.words() > bag.first_bucket_row)
    fail("words: got " + text_of(words.words()) + "; expected at most " + text_of(bag.first_bucket_row) +
         ", the rows of the table before those of n-grams; convert the model again");
  if (!words.has_subwords()) return;
  const int64_t buckets = bag.row_of_bucket.empty() ? bag.rows - bag.first_bucket_row : static_cast<int64_t>(bag.row_of_bucket.size());
  if (words.buckets() > buckets)
    fail("words: got " + text_of(words.buckets()) + " buckets of subwords; expected at most the table's, " + text_of(buckets) +
         "; convert the model again");
}

int64_t* copy_of(const std::vector<int64_t>& numbers) {
  auto* all = static_cast<int64_t*>(std::malloc(sizeof(int64_t) * (numbers.size() + 1)));
  if (all == nullptr) throw std::bad_alloc();
  if (!numbers.empty()) std::memcpy(all, numbers.data(), sizeof(int64_t) * numbers.size());
  return all;
}

}  // namespace

textcnn_words* textcnn_words_open(const textcnn_words_spec* spec) {
  return guarded<textcnn_words*>(nullptr, [&] { return new textcnn_words(*spec); });
}

void textcnn_words_close(textcnn_words* words) { delete words; }

int32_t textcnn_words_row(const textcnn_words* words, const char* word, size_t bytes) { return words->row_of({word, bytes}); }

int32_t textcnn_words_logits(const textcnn_words* words, const textcnn_bag* bag, const char* data, const int64_t* ends,
                             int64_t texts, int32_t threads, float* logits, int64_t* counts) {
  return guarded<int32_t>(-1, [&] {
    check_fit(*words, *bag);
    int64_t before = 0;
    for (int64_t n = 0; n < texts; ++n) {
      if (ends[n] < before) fail("ends: got falling ends at text " + text_of(n) + "; expected them to rise");
      before = ends[n];
    }
    const char* const limit = data + before;
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      const auto sum = bag->sum();
      for (int64_t n = begin; n < end; ++n) {
        const int64_t first = n == 0 ? 0 : ends[n - 1];
        sum->begin();
        words->read({data + first, static_cast<size_t>(ends[n] - first)}, limit, Adding{*sum, *bag});
        std::fill_n(logits + n * bag->classes, bag->classes, 0.0f);
        sum->finish(logits + n * bag->classes);
        if (counts != nullptr) counts[n] = sum->count();
      }
    });
    return 0;
  });
}

int64_t textcnn_words_label(const textcnn_words* words, const textcnn_bag* bag, const char* text, size_t bytes) {
  return guarded<int64_t>(-1, [&]() -> int64_t {
    check_fit(*words, *bag);
    const auto sum = bag->sum();
    sum->begin();
    words->read({text, bytes}, text + bytes, Adding{*sum, *bag});
    thread_local std::vector<float> logits;
    logits.assign(static_cast<size_t>(bag->classes), 0.0f);
    sum->finish(logits.data());
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  });
}

int64_t textcnn_words_features(const textcnn_words* words, const textcnn_bag* bag, const char* text, size_t bytes,
                               int64_t** word_table, int64_t* word_count, int64_t** features) {
  return guarded<int64_t>(-1, [&] {
    check_fit(*words, *bag);
    Listing listing{*bag, NgramHashes(bag->ngrams), {}, {}};
    words->read({text, bytes}, text + bytes, listing);
    *word_table = copy_of(listing.words);
    try {
      *features = copy_of(listing.features);
    } catch (...) {
      std::free(*word_table);
      throw;
    }
    *word_count = static_cast<int64_t>(listing.words.size()) / 3;
    return static_cast<int64_t>(listing.features.size()) / 5;
  });
}

int64_t textcnn_words_subwords(const textcnn_words* words, const char* word, size_t bytes, int64_t** places) {
  return guarded<int64_t>(-1, [&] {
    std::vector<int64_t> all;
    words->subwords({word, bytes}, [&](int64_t bucket, int64_t begin, int64_t end) { all.insert(all.end(), {bucket, begin, end}); });
    *places = copy_of(all);
    return static_cast<int64_t>(all.size()) / 3;
  });
}
