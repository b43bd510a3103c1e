// Keys and hashes of the words of a stretch of 64 bytes, by which they are looked up (word_map.hpp). Included by kernels.cpp alone.

// Bits at which words begin, in their order the bits at which they end, and the bytes that are done with them. A word
// that may go on beyond the stretch is left for the next one: it has no beginning, but may have an end.
struct StretchWords {
  uint64_t begins, ends;
  int64_t next;
};

struct FoundWord {
  WordKey key;
  uint64_t hash;
  uint32_t begin, length;
};

// The lower bytes of a number, 0 to 8 of them. Two shifts, as one by 64 bits is undefined; no branch, as lengths are
// hard to foretell.
inline uint64_t lower_bytes(uint64_t number, uint32_t count) {
  const uint32_t half = 32 - 4 * count;
  return number & ((~uint64_t{0} >> half) >> half);
}

// Writes the words of a stretch, asks for their places, and returns how many there are. `bytes` are those of the stretch,
// and 16 more that do not count.
inline int find_words(const StretchWords& words, const char* bytes, const uint32_t* places, uint32_t mask, FoundWord* found) {
  uint64_t ends = words.ends;
  FoundWord* word = found;
  for (uint64_t begins = words.begins; begins != 0; begins &= begins - 1, ends &= ends - 1, ++word) {
    const auto begin = static_cast<uint32_t>(__builtin_ctzll(begins));
    const uint32_t length = static_cast<uint32_t>(__builtin_ctzll(ends)) + 1 - begin;
    const uint32_t counted = length < 16 ? length : 16, first = counted < 8 ? counted : 8;
    word->key.low = lower_bytes(load_u64(bytes + begin), first);
    word->key.high = lower_bytes(load_u64(bytes + begin + 8), counted - first);
    word->hash = word_hash(word->key, length);
    word->begin = begin;
    word->length = length;
    prefetch(places + (static_cast<uint32_t>(word->hash) & mask));
  }
  return static_cast<int>(word - found);
}
