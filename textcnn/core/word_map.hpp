// Hash tables from the bytes of a word to its token ids.
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
  uint32_t length;  // 0 for an empty slot
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

class WordMap {
 public:
  // Room for that many words; `bytes` bounds what long words and long lists of ids may take.
  explicit WordMap(int64_t words = 8, int64_t bytes = UINT32_MAX) : most_bytes_(bytes) {
    uint64_t slots = 16;
    while (slots < 2 * static_cast<uint64_t>(words)) slots *= 2;
    slots_.resize(slots);
    mask_ = slots - 1;
  }

  const WordSlot* slots() const { return slots_.data(); }
  uint64_t mask() const { return mask_; }
  int64_t size() const { return used_; }

  // The slot of a word of 1 to 16 bytes, or null.
  const WordSlot* find_short(WordKey key, uint64_t length, uint64_t hash) const {
    for (uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
      const WordSlot& slot = slots_[at];
      if (slot.low == key.low && slot.high == key.high && slot.length == length) return &slot;
      if (slot.length == 0) return nullptr;
    }
  }

  // The slot of any word that is not empty, or null.
  const WordSlot* find(const char* word, int64_t length, WordKey key) const {
    for (uint64_t at = word_hash(key, static_cast<uint64_t>(length)) & mask_;; at = (at + 1) & mask_) {
      const WordSlot& slot = slots_[at];
      if (slot.length == 0) return nullptr;
      if (slot.low == key.low && slot.high == key.high && slot.length == length &&
          (length <= 16 || std::memcmp(pool_.data() + (slot.at >> 32), word, static_cast<size_t>(length)) == 0))
        return &slot;
    }
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
    if (2 * static_cast<uint64_t>(used_ + 1) > slots_.size() || bytes > most_bytes_ - taken) clear();
    uint64_t at = word_hash(key, static_cast<uint64_t>(length)) & mask_;
    while (slots_[at].length != 0) at = (at + 1) & mask_;
    WordSlot& slot = slots_[at];
    slot.low = key.low;
    slot.high = key.high;
    slot.length = static_cast<uint32_t>(length);
    slot.count = static_cast<uint32_t>(count);
    slot.at = 0;
    if (pooled) {
      slot.at = static_cast<uint64_t>(id_pool_.size()) | static_cast<uint64_t>(pool_.size()) << 32;
      id_pool_.insert(id_pool_.end(), ids, ids + count);
      if (length > 16) pool_.insert(pool_.end(), word, word + length);
    } else {
      for (int64_t i = 0; i < count; ++i) slot.ids[i] = ids[i];
    }
    ++used_;
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
    std::memset(static_cast<void*>(slots_.data()), 0, slots_.size() * sizeof(WordSlot));
    pool_.clear();
    id_pool_.clear();
    used_ = 0;
  }

 private:
  // Bytes and ids of such words lie in the two pools, at the two halves of `at`.
  static bool is_pooled(int64_t length, int64_t count) { return length > 16 || count > 2; }

  std::vector<WordSlot> slots_;
  std::vector<char> pool_;
  std::vector<int32_t> id_pool_;
  uint64_t mask_ = 0;
  int64_t used_ = 0, most_bytes_;
};

}  // namespace textcnn
