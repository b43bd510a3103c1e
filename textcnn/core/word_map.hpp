// Hash tables from the bytes of a word to its token ids.
//
// Slots lie one after the other in the order in which their words came, so that frequent words share cache lines and
// pages. A table of places, of four bytes each, is what the hash chooses from: a place holds the number of a slot, and
// above it as many bits of the hash as there is room for, so that other words' slots are hardly ever looked at.
//
// A slot is half a cache line: the word's first 16 bytes (exactly the word, for most), its length with the number of
// ids, and the ids themselves where there are at most two. Longer words keep their bytes in a pool and are compared
// with them: no answer rests on a hash alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace textcnn {

// The first 16 bytes of a word as two numbers; of longer words, the first eight and a hash of the others.
struct WordKey {
  uint64_t low = 0, high = 0;
};

struct WordSlot {
  uint64_t low, high;
  uint32_t length;  // 0 for the slot of no word
  uint32_t count;   // number of ids
  union {
    int32_t ids[2];   // up to two ids
    uint64_t at;      // where more of them lie
  };
};
static_assert(sizeof(WordSlot) == 32);

constexpr uint64_t kMix1 = 0x9E3779B97F4A7C15u, kMix2 = 0xD6E8FEB86659FD93u;

inline uint64_t load_u64(const char* bytes) {
  uint64_t number;
  std::memcpy(&number, bytes, 8);
  return number;
}

// Keys are compared with each other only, so that the order of bytes in memory does not matter.
inline WordKey word_key(const char* word, int64_t length) {
  WordKey key;
  char first[16] = {};
  std::memcpy(first, word, length < 16 ? static_cast<size_t>(length) & 15 : 16);
  key.low = load_u64(first);
  key.high = load_u64(first + 8);
  if (length > 16) {
    for (int64_t i = 16; i < length; i += 8) {
      char next[8] = {};
      std::memcpy(next, word + i, static_cast<size_t>(length - i < 8 ? length - i : 8));
      key.high = (key.high ^ load_u64(next)) * kMix1;
      key.high ^= key.high >> 32;
    }
  }
  return key;
}

inline uint64_t word_hash(WordKey key, uint64_t length) {
  const uint64_t mixed = (key.low ^ (key.high * kMix2) ^ length) * kMix1;
  return mixed ^ (mixed >> 32);
}

inline uint32_t upper_half(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

// The slot of a word among the places and slots of a map, or null. same(slot): whether a slot with the key and length of
// the word is the word's.
template <class Same>
inline const WordSlot* look_up(const uint32_t* places, const WordSlot* slots, uint32_t mask, WordKey key, uint32_t length,
                               uint64_t hash, const Same& same) {
  const uint32_t upper = upper_half(hash);
  for (uint32_t at = static_cast<uint32_t>(hash) & mask;; at = (at + 1) & mask) {
    const uint32_t place = places[at];
    const WordSlot* slot = slots + (place & mask);
    if (((place ^ upper) & ~mask) == 0 && slot->low == key.low && slot->high == key.high && slot->length == length &&
        same(*slot))
      return slot;
    if (place == 0) return nullptr;
  }
}

class WordMap {
 public:
  // Room for that many words; `bytes` bounds what long words and long lists of ids may take.
  explicit WordMap(int64_t words = 8, int64_t bytes = UINT32_MAX) : most_bytes_(bytes) {
    uint64_t places = 16;
    while (places < 2 * static_cast<uint64_t>(words)) places *= 2;
    places_.resize(places);
    mask_ = static_cast<uint32_t>(places - 1);
    slots_.reserve(static_cast<size_t>(words) + 1);
    slots_.resize(1);
  }

  // What a loop over words needs to look them up by itself, see `look_up`.
  const uint32_t* places() const { return places_.data(); }
  const WordSlot* slots() const { return slots_.data(); }
  uint32_t mask() const { return mask_; }

  int64_t size() const { return static_cast<int64_t>(slots_.size()) - 1; }

  // The slot of a word of 1 to 16 bytes, or null.
  const WordSlot* find_short(WordKey key, uint32_t length, uint64_t hash) const {
    return look_up(places(), slots(), mask_, key, length, hash, [](const WordSlot&) { return true; });
  }

  // The slot of any word that is not empty, or null.
  const WordSlot* find(const char* word, int64_t length, WordKey key) const {
    if (length > UINT32_MAX) return nullptr;
    const uint64_t hash = word_hash(key, static_cast<uint64_t>(length));
    return look_up(places(), slots(), mask_, key, static_cast<uint32_t>(length), hash, [&](const WordSlot& slot) {
      return length <= 16 || std::memcmp(pool_.data() + (slot.at >> 32), word, static_cast<size_t>(length)) == 0;
    });
  }
  const WordSlot* find(const char* word, int64_t length) const { return find(word, length, word_key(word, length)); }

  const int32_t* ids(const WordSlot& slot) const {
    return is_pooled(slot.length, slot.count) ? id_pool_.data() + (slot.at & 0xFFFFFFFF) : slot.ids;
  }

  // Stores the ids of a word that is not in the map. A map that is full forgets everything first; false where the word
  // alone is too large for it.
  bool insert(const char* word, int64_t length, WordKey key, const int32_t* ids, int64_t count) {
    const bool pooled = is_pooled(length, count);
    const int64_t bytes = pooled ? (length > 16 ? length : 0) + 4 * count : 0;
    if (length > INT32_MAX || count > INT32_MAX || bytes > most_bytes_) return false;
    const int64_t taken = static_cast<int64_t>(pool_.size() + 4 * id_pool_.size());
    if (2 * slots_.size() > places_.size() || bytes > most_bytes_ - taken) clear();
    const uint64_t hash = word_hash(key, static_cast<uint64_t>(length));
    uint32_t at = static_cast<uint32_t>(hash) & mask_;
    while (places_[at] != 0) at = (at + 1) & mask_;
    places_[at] = (upper_half(hash) & ~mask_) | static_cast<uint32_t>(slots_.size());
    WordSlot slot{key.low, key.high, static_cast<uint32_t>(length), static_cast<uint32_t>(count), {}};
    slot.at = 0;
    if (pooled) {
      slot.at = static_cast<uint64_t>(id_pool_.size()) | static_cast<uint64_t>(pool_.size()) << 32;
      id_pool_.insert(id_pool_.end(), ids, ids + count);
      if (length > 16) pool_.insert(pool_.end(), word, word + length);
    } else {
      for (int64_t i = 0; i < count; ++i) slot.ids[i] = ids[i];
    }
    slots_.push_back(slot);
    return true;
  }

  // Sets the one id of a word; the last of equal words counts.
  void assign(const char* word, int64_t length, int32_t id) {
    const WordKey key = word_key(word, length);
    if (const WordSlot* known = find(word, length, key))
      *const_cast<int32_t*>(ids(*known)) = id;
    else
      insert(word, length, key, &id, 1);
  }

  void clear() {
    std::memset(places_.data(), 0, places_.size() * sizeof(uint32_t));
    slots_.resize(1);
    pool_.clear();
    id_pool_.clear();
  }

 private:
  // Bytes and ids of such words lie in the two pools, at the two halves of `at`.
  static bool is_pooled(int64_t length, int64_t count) { return length > 16 || count > 2; }

  std::vector<uint32_t> places_;  // 0 where there is no word
  std::vector<WordSlot> slots_;   // the first one is of no word
  std::vector<char> pool_;
  std::vector<int32_t> id_pool_;
  uint32_t mask_ = 0;
  int64_t most_bytes_;
};

}  // namespace textcnn
