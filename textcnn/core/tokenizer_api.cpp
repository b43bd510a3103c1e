// The C interface of tokenizers, and of text to logits in one call.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bag_of_ids.hpp"
#include "error.hpp"
#include "head.hpp"
#include "parallel.hpp"
#include "pooling.hpp"
#include "tokenizer.hpp"
#include "utf8.hpp"

using namespace textcnn;

namespace {

constexpr int64_t kStretchTexts = 64;
// A workspace does not keep room for more ids than this.
constexpr int64_t kKeptIds = 1 << 20;

std::string_view text_at(const char* data, const int64_t* ends, int64_t n) {
  const int64_t begin = n == 0 ? 0 : ends[n - 1];
  return {data + begin, static_cast<size_t>(ends[n] - begin)};
}

void check_ends(const int64_t* ends, int64_t texts) {
  int64_t before = 0;
  for (int64_t n = 0; n < texts; ++n) {
    if (ends[n] < before) fail("ends: got falling ends at text " + text_of(n) + "; expected them to rise");
    before = ends[n];
  }
}

// Ids of the tokenizer are rows of the tables without another look.
void check_vocabulary(const Tables& tables, const Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > tables.vocab_size)
    fail("tokenizer: got " + text_of(tokenizer.vocab_size()) + " tokens; expected at most the model's " +
         text_of(tables.vocab_size) + "; use the tokenizer.json that was saved with the model");
}

int32_t* copy_of(const std::vector<std::vector<int32_t>>& parts, int64_t total) {
  auto* all = static_cast<int32_t*>(std::malloc(sizeof(int32_t) * static_cast<size_t>(total + 1)));
  if (all == nullptr) throw std::bad_alloc();
  int64_t at = 0;
  for (const std::vector<int32_t>& part : parts) {
    if (!part.empty()) std::memcpy(all + at, part.data(), sizeof(int32_t) * part.size());
    at += static_cast<int64_t>(part.size());
  }
  return all;
}

}  // namespace

textcnn_tokenizer* textcnn_tokenizer_open(const char* json, size_t bytes, int32_t* compiled) {
  *compiled = 1;
  return guarded<textcnn_tokenizer*>(nullptr, [&]() -> textcnn_tokenizer* {
    try {
      return new textcnn_tokenizer(std::string_view(json, bytes));
    } catch (const NotCompiled& why) {
      *compiled = 0;
      last_error() = why.reason;
      return nullptr;
    }
  });
}

void textcnn_tokenizer_close(textcnn_tokenizer* tokenizer) { delete tokenizer; }

int64_t textcnn_tokenizer_vocab_size(const textcnn_tokenizer* tokenizer) { return tokenizer->vocab_size(); }

int32_t textcnn_byte_ends(const char* data, const int64_t* lengths, int64_t texts, int64_t bytes, int64_t* ends) {
  return guarded<int32_t>(-1, [&] {
    int64_t at = 0;
    for (int64_t n = 0; n < texts; ++n) {
      for (int64_t left = lengths[n]; left > 0; --left) {
        if (at >= bytes) fail("lengths: got more characters than the text has");
        at += utf8_size(static_cast<uint8_t>(data[at]));
      }
      ends[n] = std::min(at, bytes);
    }
    return 0;
  });
}

int64_t textcnn_encode(const textcnn_tokenizer* tokenizer, const char* data, const int64_t* ends, int64_t texts,
                       int32_t threads, int64_t* offsets, int32_t** ids) {
  return guarded<int64_t>(-1, [&] {
    check_ends(ends, texts);
    std::vector<std::vector<int32_t>> parts(static_cast<size_t>((texts + kStretchTexts - 1) / kStretchTexts));
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      const auto workspace = tokenizer->workspace();
      Ids& out = workspace->ids;
      out.count = 0;
      for (int64_t n = begin; n < end; ++n) {
        tokenizer->encode(text_at(data, ends, n), *workspace, out);
        offsets[n + 1] = out.count;
      }
      parts[static_cast<size_t>(begin / kStretchTexts)].assign(out.values.data(), out.end());
      if (out.count > kKeptIds) out = Ids{};
    });
    offsets[0] = 0;
    int64_t total = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto begin = static_cast<int64_t>(i) * kStretchTexts;
      for (int64_t n = begin; n < std::min(texts, begin + kStretchTexts); ++n) offsets[n + 1] += total;
      total += static_cast<int64_t>(parts[i].size());
    }
    *ids = copy_of(parts, total);
    return total;
  });
}

int64_t textcnn_spans(const textcnn_tokenizer* tokenizer, const char* text, size_t bytes, int32_t** ids, int64_t** spans) {
  return guarded<int64_t>(-1, [&] {
    const auto workspace = tokenizer->workspace();
    Ids own;
    Spans found;
    tokenizer->encode({text, bytes}, *workspace, own, &found);
    const int64_t count = own.count;
    auto* places = static_cast<int64_t*>(std::malloc(sizeof(int64_t) * 2 * static_cast<size_t>(count + 1)));
    if (places == nullptr) throw std::bad_alloc();
    for (int64_t i = 0; i < count; ++i) {
      places[2 * i] = found.begins[static_cast<size_t>(i)];
      places[2 * i + 1] = found.ends[static_cast<size_t>(i)];
    }
    *spans = places;
    try {
      *ids = copy_of({std::vector<int32_t>(own.values.data(), own.end())}, count);
    } catch (...) {
      std::free(places);
      throw;
    }
    return count;
  });
}

void textcnn_free(void* memory) { std::free(memory); }

int32_t textcnn_logits_of_texts(const textcnn_tables* tables, const textcnn_tokenizer* tokenizer, const char* data,
                                const int64_t* ends, int64_t texts, int32_t threads, float* features, float* logits) {
  return guarded<int32_t>(-1, [&] {
    check_ends(ends, texts);
    check_vocabulary(*tables, *tokenizer);
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      const auto workspace = tokenizer->workspace();
      const auto pooling = tables->pooling();
      BagOfIds bag(*tables);
      Head head(*tables, features, logits);
      Ids& ids = workspace->ids;
      for (int64_t n = begin; n < end; ++n) {
        const std::string_view text = text_at(data, ends, n);
        float* row = head.features_of(n);
        bag.begin();
        if (text.size() <= Tokenizer::kPieceBytes) {
          ids.count = 0;
          tokenizer->encode(text, *workspace, ids);
          pooling->pool(ids.values.data(), ids.count, row);
          bag.push(ids.values.data(), ids.count);
        } else {
          pooling->begin();
          tokenizer->encode_pieces(text, *workspace, ids, [&](const Ids& piece) {
            pooling->push(piece.values.data(), piece.count);
            bag.push(piece.values.data(), piece.count);
          });
          pooling->finish(row);
        }
        head.add(n, n + 1 == end);
        bag.finish(logits + n * tables->classes);
      }
    });
    return 0;
  });
}

int64_t textcnn_label_of_text(const textcnn_tables* tables, const textcnn_tokenizer* tokenizer, const char* text, size_t bytes) {
  return guarded<int64_t>(-1, [&]() -> int64_t {
    check_vocabulary(*tables, *tokenizer);
    const auto workspace = tokenizer->workspace();
    const auto pooling = tables->pooling();
    std::vector<float>& features = workspace->features;
    features.resize(static_cast<size_t>(tables->pooled + tables->classes));
    workspace->ids.count = 0;
    tokenizer->encode({text, bytes}, *workspace, workspace->ids);
    pooling->pool(workspace->ids.values.data(), workspace->ids.count, features.data());
    float* logits = features.data() + tables->pooled;
    kernels().apply_head(*tables, features.data(), 1, logits);
    BagOfIds(*tables).add(workspace->ids.values.data(), workspace->ids.count, logits);
    return std::max_element(logits, logits + tables->classes) - logits;
  });
}
