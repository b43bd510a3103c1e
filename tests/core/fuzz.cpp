// Feeds the core with bytes that nobody would write, under the sanitizers.
//
//   fuzz MODEL COUNT        flips and cuts the files of a model, opens them, classifies and explains
//   fuzz MODEL -            (built with -fsanitize=fuzzer) libFuzzer chooses the bytes: the first says what they are
//
// Every input must end in an answer or in an error with a message. A model without a tokenizer.json is a converted
// fastText model as exported pages hold it.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fasttext_model.hpp"
#include "model.hpp"
#include "textcnn.h"

namespace {

std::string config, tokenizer, tables;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void read_model(const std::string& directory) {
  config = read(directory + "/config.json");
  tokenizer = read(directory + "/tokenizer.json");
  tables = read(directory + "/folded.safetensors");
}

const char* const kTexts[] = {"", "w2 w3 \xC3\xA9\xCC\x81 [SEP] w4, w5!", "\xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80 don't",
                              "\xFF\xC3(\xE2\x82 \xED\xA0\x80\xF4\x90\x80\x80 cut \xF0\x9F"};

// What an explanation asks for: the best windows of a text and their n-grams, and the shares of a bag.
void explain(const textcnn_model* model, const char* text, size_t bytes) {
  const textcnn_tables* own = textcnn_model_tables(model);
  const int64_t ends[] = {static_cast<int64_t>(bytes)};
  int64_t offsets[2];
  int32_t* ids = nullptr;
  const int64_t tokens = textcnn_encode(textcnn_model_tokenizer(model), text, ends, 1, 1, offsets, &ids);
  if (tokens < 0) return;
  // Of their exact sizes, so that writing one number too many is seen.
  const auto features = static_cast<size_t>(own->features);
  size_t widest = 1;
  for (const auto& own_width : own->widths) widest = std::max(widest, static_cast<size_t>(own_width.width));
  std::vector<float> best(features), without(features), sums(features), all(static_cast<size_t>(own->pooled));
  std::vector<int32_t> start(features);
  std::vector<double> logits(static_cast<size_t>(own->classes)), weight(features, 1.0), weights(features), losses(features);
  int64_t begin = 0, end = 0;
  if (textcnn_winners(own, ids, offsets, 1, 1, best.data(), without.data(), sums.data(), start.data(), &begin, &end,
                      logits.data()) >= 0) {
    std::vector<int64_t> places(2 * features), filters(features), filter_begins(features + 1), share_begins(features + 1);
    std::vector<double> shares(features * widest);
    (void)textcnn_ngrams(own, ids + begin, end - begin, best.data(), without.data(), sums.data(), start.data(), weight.data(),
                         places.data(), weights.data(), losses.data(), filters.data(), filter_begins.data(), shares.data(),
                         share_begins.data());
  }
  std::vector<float> answers(static_cast<size_t>(own->classes));
  (void)textcnn_logits_of_ids(own, ids, offsets, 1, 1, all.data(), answers.data());
  if (own->bag != nullptr) {
    const auto most = static_cast<size_t>(tokens * std::max<int64_t>(1, own->bag->ngrams));
    std::vector<int64_t> firsts(most);
    std::vector<int32_t> lengths(most);
    std::vector<double> parts(most);
    (void)textcnn_bag_shares(own, ids, tokens, 0, firsts.data(), lengths.data(), parts.data());
  }
  textcnn_free(ids);
}

// 1 where the model opened.
int try_model(const std::string& own_config, const std::string& own_tokenizer, const std::string& own_tables, const char* text,
              size_t bytes) {
  // At the end of a block of its own, so that reading one byte too many is seen.
  std::vector<char> exact(own_tables.begin(), own_tables.end());
  textcnn_model* model = textcnn_open_memory(own_config.data(), own_config.size(), own_tokenizer.data(), own_tokenizer.size(),
                                             exact.data(), exact.size());
  if (model == nullptr) {
    if (*textcnn_error() == '\0') std::abort();
    return 0;
  }
  std::vector<float> probabilities(static_cast<size_t>(textcnn_classes(model)));
  (void)textcnn_classify(model, text, bytes, probabilities.data());
  const std::vector<char> own_text(text, text + bytes);
  explain(model, own_text.data(), bytes);
  textcnn_close(model);
  return 1;
}

int try_fasttext(const std::string& own_config, const std::string& own_tables, const char* text, size_t bytes) {
  const std::vector<char> exact(own_tables.begin(), own_tables.end()), own_text(text, text + bytes);
  textcnn_fasttext* model = textcnn_fasttext_open_memory(own_config.data(), own_config.size(), exact.data(), exact.size());
  if (model == nullptr) {
    if (*textcnn_error() == '\0') std::abort();
    return 0;
  }
  const textcnn_words* words = textcnn_fasttext_words(model);
  const textcnn_bag* bag = textcnn_fasttext_bag(model);
  const int64_t ends[] = {static_cast<int64_t>(bytes)};
  std::vector<float> logits(static_cast<size_t>(bag->classes));
  int64_t count = 0, *word_table = nullptr, *features = nullptr;
  (void)textcnn_words_logits(words, bag, own_text.data(), ends, 1, 1, logits.data(), &count);
  (void)textcnn_words_label(words, bag, own_text.data(), bytes);
  if (textcnn_words_features(words, bag, own_text.data(), bytes, &word_table, &count, &features) >= 0) {
    textcnn_free(word_table);
    textcnn_free(features);
  }
  if (textcnn_words_subwords(words, own_text.data(), bytes, &features) >= 0) textcnn_free(features);
  textcnn_fasttext_close(model);
  return 1;
}

int try_tokenizer(const std::string& json, const char* text, size_t bytes) {
  int32_t compiled = 0;
  textcnn_tokenizer* own = textcnn_tokenizer_open(json.data(), json.size(), &compiled);
  if (own == nullptr) return 0;
  std::vector<char> exact(text, text + bytes);
  const int64_t ends[] = {static_cast<int64_t>(bytes)};
  int64_t offsets[2];
  int32_t* ids = nullptr;
  int64_t* spans = nullptr;
  if (textcnn_encode(own, exact.data(), ends, 1, 1, offsets, &ids) >= 0) textcnn_free(ids);
  if (textcnn_spans(own, exact.data(), bytes, &ids, &spans) >= 0) {
    textcnn_free(ids);
    textcnn_free(spans);
  }
  textcnn_tokenizer_close(own);
  return 1;
}

uint64_t state = 0x9E3779B97F4A7C15u;
uint64_t random_number() {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

std::string damaged(std::string bytes) {
  if (bytes.empty()) return bytes;
  const uint64_t kind = random_number() % 8;
  if (kind == 0) return bytes.substr(0, random_number() % bytes.size());
  // Most damage to the header and to the small tensors behind the table.
  const size_t near = kind < 4 ? random_number() % std::min<size_t>(bytes.size(), 2048)
                               : bytes.size() - 1 - random_number() % std::min<size_t>(bytes.size(), 4096);
  for (uint64_t n = 1 + random_number() % 3; n > 0; --n) {
    char& byte = bytes[(near + random_number() % 8) % bytes.size()];
    byte = kind % 2 ? static_cast<char>(byte ^ (1 << random_number() % 8)) : static_cast<char>(random_number());
  }
  return bytes;
}

}  // namespace

#ifdef TEXTCNN_LIBFUZZER
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* directory = std::getenv("TEXTCNN_FUZZ_MODEL");
  if (directory == nullptr) std::abort();
  read_model(directory);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: try_model(config, tokenizer, rest, kTexts[1], std::strlen(kTexts[1])); break;
    case 1: try_model(rest, tokenizer, tables, kTexts[1], std::strlen(kTexts[1])); break;
    case 2: try_tokenizer(rest, kTexts[2], std::strlen(kTexts[2])); break;
    default: try_tokenizer(tokenizer, rest.data(), rest.size());
  }
  return 0;
}
#else
int fuzz_fasttext(long rounds) {
  long opened = try_fasttext(config, tables, kTexts[1], std::strlen(kTexts[1]));
  if (opened != 1) {
    std::fprintf(stderr, "the model itself does not open: %s\n", textcnn_error());
    return 1;
  }
  for (long n = 0; n < rounds; ++n) {
    const char* text = kTexts[n % 4];
    opened += try_fasttext(config, damaged(tables), text, std::strlen(text));
    opened += try_fasttext(damaged(config), tables, text, std::strlen(text));
    std::string noise(random_number() % 200, ' ');
    for (char& byte : noise) byte = static_cast<char>(random_number() % (n % 2 ? 256 : 128));
    opened += try_fasttext(config, tables, noise.data(), noise.size());
  }
  std::printf("%ld of %ld opened\n", opened, 3 * rounds + 1);
  return 0;
}

int main(int count, char** arguments) {
  if (count != 3) return 2;
  read_model(arguments[1]);
  const long rounds = std::strtol(arguments[2], nullptr, 10);
  if (tokenizer.empty()) return fuzz_fasttext(rounds);
  long opened = try_model(config, tokenizer, tables, kTexts[1], std::strlen(kTexts[1]));
  if (opened != 1) {
    std::fprintf(stderr, "the model itself does not open: %s\n", textcnn_error());
    return 1;
  }
  for (long n = 0; n < rounds; ++n) {
    const char* text = kTexts[n % 4];
    opened += try_model(config, tokenizer, damaged(tables), text, std::strlen(text));
    opened += try_model(damaged(config), tokenizer, tables, text, std::strlen(text));
    opened += try_tokenizer(damaged(tokenizer), text, std::strlen(text));
    std::string noise(random_number() % 200, ' ');
    for (char& byte : noise) byte = static_cast<char>(random_number() % (n % 2 ? 256 : 128));
    opened += try_tokenizer(tokenizer, noise.data(), noise.size());
  }
  std::printf("%ld of %ld opened\n", opened, 4 * rounds + 1);
  return 0;
}
#endif
