// Text as fastText reads it: words between ASCII white space, each with its row and its hash.
//
// A text ends with the word `</s>`, and so it does where that stands inside it. Labels (known ones, and what begins with
// the prefix of labels) add nothing. An unknown word adds no row of its own, but takes part in n-grams, and adds its
// subwords: the hashed n-grams of the characters of "<word>" (Bojanowski et al. 2017, https://arxiv.org/abs/1607.04606).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bag.hpp"
#include "textcnn.h"
#include "word_map.hpp"

namespace textcnn {

class FastTextWords {
 public:
  explicit FastTextWords(const textcnn_words_spec& spec);  // throws Error where a number does not fit

  int64_t words() const { return words_; }
  int64_t buckets() const { return buckets_; }
  bool has_subwords() const { return max_n_ > 0; }

  // Reads one text. `limit` is where readable memory ends, at or after the end of the text. `use` gets, in this order
  // for each word: word(row, hash, begin, end), with row -1 for unknown words; then bucket(bucket, begin, end) for
  // each subword. Positions are bytes of the text; those of the last `</s>` are its end.
  template <class Use>
  void read(std::string_view text, const char* limit, Use&& use) const;

  // Buckets of the subwords of a word, each with the bytes of the word that it covers.
  template <class Use>
  void subwords(std::string_view word, Use&& use) const;

  // Row of a word, -1 for an unknown one, kLabel for a label.
  int32_t row_of(std::string_view word) const;

  static constexpr int32_t kUnknown = -1, kLabel = -2;

 private:
  struct Found {
    const char* begin;
    int64_t length;
    WordKey key;
    uint64_t hash;
  };
  static constexpr int64_t kAtOnce = 64;

  // Looks up `count` words and uses them; false after `</s>`.
  template <class Use>
  bool use_words(const Found* found, int64_t count, const char* text, Use&& use) const;

  WordMap map_;
  std::string prefix_;
  int64_t words_, buckets_;
  int32_t min_n_, max_n_;
  int32_t end_row_, end_hash_;
};

// Bits of the white space among 64 bytes.
uint64_t white_space(const char* block);

// The key of a word: `word_key`, without a copy where 16 bytes can be read.
inline WordKey key_of(const char* word, int64_t length, const char* limit) {
  if (length > 16 || limit - word < 16) return word_key(word, length);
  WordKey key{load_u64(word), load_u64(word + 8)};
  if (length < 8) {
    key.low = length == 0 ? 0 : key.low & ~uint64_t{0} >> (64 - 8 * length);
    key.high = 0;
  } else {
    key.high = length == 8 ? 0 : key.high & ~uint64_t{0} >> (128 - 8 * length);
  }
  return key;
}

template <class Use>
void FastTextWords::subwords(std::string_view word, Use&& use) const {
  if (max_n_ <= 0) return;
  const auto size = static_cast<int64_t>(word.size()) + 2;
  const auto byte = [&](int64_t i) { return i == 0 ? '<' : i == size - 1 ? '>' : word[static_cast<size_t>(i - 1)]; };
  const auto continues = [&](int64_t i) { return (static_cast<uint8_t>(byte(i)) & 0xC0) == 0x80; };
  const auto place = [&](int64_t i) { return i == 0 ? 0 : i == size ? size - 2 : i - 1; };
  for (int64_t i = 0; i < size; ++i) {
    if (continues(i)) continue;
    uint32_t hash = 2166136261u;
    for (int64_t j = i, n = 1; j < size && n <= max_n_; ++n) {
      do hash = (hash ^ static_cast<uint32_t>(static_cast<int8_t>(byte(j++)))) * 16777619u;
      while (j < size && continues(j));
      if (n >= min_n_ && !(n == 1 && (i == 0 || j == size)))
        use(static_cast<int64_t>(hash % static_cast<uint32_t>(buckets_)), place(i), place(j));
    }
  }
}

template <class Use>
bool FastTextWords::use_words(const Found* found, int64_t count, const char* text, Use&& use) const {
  for (int64_t k = 0; k < count; ++k) {
    const auto& [begin, length, key, hash] = found[k];
    const WordSlot* slot = length <= 16 ? map_.find_short(key, static_cast<uint32_t>(length), hash) : map_.find(begin, length, key);
    const std::string_view word(begin, static_cast<size_t>(length));
    int32_t row = kUnknown, own_hash;
    if (slot != nullptr) {
      const int32_t* ids = map_.ids(*slot);
      row = ids[0];
      own_hash = ids[1];
    } else {
      if (!prefix_.empty() && word.starts_with(prefix_)) continue;
      own_hash = hash_of_word(word);
    }
    if (row == kLabel) continue;
    const int64_t at = begin - text;
    const bool is_end = length == 4 && word == "</s>";
    use.word(row, own_hash, at, at + length);
    if (is_end) return false;
    if (max_n_ > 0)
      subwords(word, [&](int64_t bucket, int64_t first, int64_t end) { use.bucket(bucket, at + first, at + end); });
  }
  return true;
}

template <class Use>
void FastTextWords::read(std::string_view text, const char* limit, Use&& use) const {
  Found found[kAtOnce];
  int64_t count = 0, begin = 0;
  bool inside = false, goes_on = true;
  uint64_t before = 1;
  const char* const data = text.data();
  const auto size = static_cast<int64_t>(text.size());
  const auto add = [&](int64_t end) {
    const char* word = data + begin;
    const WordKey key = key_of(word, end - begin, limit);
    const uint64_t hash = word_hash(key, static_cast<uint64_t>(end - begin));
    __builtin_prefetch(map_.places() + (hash & map_.mask()));
    found[count++] = {word, end - begin, key, hash};
    if (count == kAtOnce) {
      goes_on = use_words(found, count, data, use);
      count = 0;
    }
  };
  for (int64_t base = 0; base < size && goes_on; base += 64) {
    uint64_t space;
    if (size - base >= 64 || limit - (data + base) >= 64) {
      space = white_space(data + base);
      if (size - base < 64) space |= ~uint64_t{0} << (size - base);
    } else {
      char block[64];
      std::memset(block, ' ', sizeof(block));
      std::memcpy(block, data + base, static_cast<size_t>(size - base));
      space = white_space(block);
    }
    for (uint64_t edges = space ^ (space << 1 | before); edges != 0 && goes_on; edges &= edges - 1) {
      const int64_t at = base + __builtin_ctzll(edges);
      if (inside)
        add(at);
      else
        begin = at;
      inside = !inside;
    }
    before = space >> 63;
  }
  if (inside && goes_on) add(size);
  if (goes_on) goes_on = use_words(found, count, data, use);
  if (goes_on) use.word(end_row_, end_hash_, size, size);
}

}  // namespace textcnn

struct textcnn_words : textcnn::FastTextWords {
  using textcnn::FastTextWords::FastTextWords;
};
