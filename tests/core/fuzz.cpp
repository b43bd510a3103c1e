// Feeds the core with bytes that nobody would write, under the sanitizers.
//
//   fuzz MODEL COUNT        flips and cuts the files of a model, opens them and classifies
//   fuzz MODEL -            (built with -fsanitize=fuzzer) libFuzzer chooses the bytes: the first says what they are
//
// Every input must end in an answer or in an error with a message.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

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
  textcnn_close(model);
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
int main(int count, char** arguments) {
  if (count != 3) return 2;
  read_model(arguments[1]);
  const long rounds = std::strtol(arguments[2], nullptr, 10);
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
