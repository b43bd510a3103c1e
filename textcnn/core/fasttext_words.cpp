#include "fasttext_words.hpp"

#include "error.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace textcnn {
namespace {

constexpr int64_t kMostWords = int64_t{1} << 30;
constexpr int32_t kLongestSubword = 1 << 10;

void check(bool holds, const char* name, int64_t got, const char* expected) {
  if (!holds) fail(std::string("words: ") + name + ": got " + text_of(got) + "; expected " + expected + "; convert the model again");
}

int64_t long_bytes(const textcnn_words_spec& spec) {
  // What `WordMap` keeps of words that do not fit a slot: their bytes and two numbers.
  int64_t bytes = 0, begin = 0;
  for (int64_t i = 0; i < spec.words + spec.labels; ++i) {
    const int64_t length = spec.ends[i] - begin;
    check(length >= 0, "ends", spec.ends[i], "rising ends");
    if (length > 16) bytes += length + 8;
    begin = spec.ends[i];
  }
  return bytes;
}

int64_t checked_words(const textcnn_words_spec& spec) {
  check(spec.words >= 0 && spec.words < kMostWords, "words", spec.words, "0 or more");
  check(spec.labels >= 0 && spec.labels < kMostWords, "labels", spec.labels, "0 or more");
  check(spec.buckets >= 0 && spec.buckets <= INT32_MAX, "buckets", spec.buckets, "0 or more");
  check(spec.min_n >= 0, "min_n", spec.min_n, "0 or more");
  check(spec.max_n >= 0 && spec.max_n <= kLongestSubword, "max_n", spec.max_n, "0 to 1024");
  check(spec.max_n == 0 || spec.buckets > 0, "buckets", spec.buckets, "1 or more for subwords");
  check(long_bytes(spec) < UINT32_MAX, "words", spec.words, "words of less than 4 GB");
  return spec.words + spec.labels + 1;
}

}  // namespace

FastTextWords::FastTextWords(const textcnn_words_spec& spec)
    : map_(checked_words(spec)),
      prefix_(spec.prefix, static_cast<size_t>(spec.prefix_bytes)),
      words_(spec.words),
      buckets_(spec.buckets),
      min_n_(spec.min_n),
      max_n_(spec.max_n) {
  int64_t begin = 0;
  for (int64_t i = 0; i < spec.words + spec.labels; ++i) {
    const std::string_view word(spec.bytes + begin, static_cast<size_t>(spec.ends[i] - begin));
    begin = spec.ends[i];
    if (word.empty()) continue;  // no text has an empty word
    const auto length = static_cast<int64_t>(word.size());
    const WordKey key = word_key(word.data(), length);
    const int32_t ids[2] = {i < spec.words ? static_cast<int32_t>(i) : kLabel, hash_of_word(word)};
    // The last of equal words counts, as in fastText.
    if (const WordSlot* known = map_.find(word.data(), length, key))
      const_cast<int32_t*>(map_.ids(*known))[0] = ids[0];
    else
      map_.insert(word.data(), length, key, ids, 2);
  }
  end_row_ = row_of("</s>");
  end_hash_ = hash_of_word("</s>");
}

int32_t FastTextWords::row_of(std::string_view word) const {
  if (word.empty()) return kUnknown;
  const WordSlot* slot = map_.find(word.data(), static_cast<int64_t>(word.size()));
  return slot == nullptr ? kUnknown : map_.ids(*slot)[0];
}

uint64_t white_space(const char* block) {
  // Space, \t \n \v \f \r (9 to 13) and \0.
  uint64_t bits = 0;
#if defined(__SSE2__)
  for (int part = 0; part < 4; ++part) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + part);
    const __m128i from_tab = _mm_sub_epi8(bytes, _mm_set1_epi8(9));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8(4)), from_tab);
    const __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    const __m128i zero = _mm_cmpeq_epi8(bytes, _mm_setzero_si128());
    const auto own = static_cast<uint32_t>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(control, space), zero)));
    bits |= static_cast<uint64_t>(own) << 16 * part;
  }
#else
  for (int i = 0; i < 64; ++i) {
    const auto byte = static_cast<uint8_t>(block[i]);
    bits |= static_cast<uint64_t>(byte == ' ' || byte == 0 || static_cast<uint8_t>(byte - 9) <= 4) << i;
  }
#endif
  return bits;
}

}  // namespace textcnn
