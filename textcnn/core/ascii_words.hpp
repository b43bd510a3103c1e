// Words of ASCII text, 64 bytes at a time. Included by kernels.cpp alone.
//
// A mask for each kind of character says where words begin and how long they are. Letters are lower-cased all at once.
// The slots of all words of the stretch are asked for before the first of them is read.

// The words of a stretch: bits at which they begin, bits that go on with the word before them, and the bytes that are
// done with them. A word that may go on beyond the stretch is left for the next one.
struct StretchWords {
  uint64_t begins, continued;
  int64_t next;
};

// Words of letters, with characters between them that are dropped or words of their own. `size` bytes count; `cut`
// where they are not the end of the text.
inline StretchWords words_of(const Stretch& stretch, const AsciiTables& tables, uint64_t inside, int64_t size, bool cut) {
  const uint64_t letters = stretch.in(tables.letter) & inside;
  StretchWords words{letters & ~(letters << 1), letters & (letters << 1), size};
  if (cut && size > 0 && (letters >> (size - 1) & 1) != 0) {
    words.next = 63 - __builtin_clzll(words.begins);
    words.begins &= ~(uint64_t{1} << words.next);
  }
  words.begins |= stretch.in(tables.isolated) & inside;
  return words;
}

constexpr AsciiSet set_of(char character) {
  AsciiSet set{};
  set[character & 15] = static_cast<uint8_t>(1 << (character >> 4));
  return set;
}
constexpr AsciiSet kSpaces = set_of(' '), kApostrophes = set_of('\'');

// Words of GPT-2's regular expression (byte_level.cpp): a run of one kind begins one, as does the last white space
// before something else; what follows a single ' ' goes on with it. `bytes` are those of the stretch, lower-cased.
inline StretchWords byte_level_words_of(const Stretch& stretch, const AsciiTables& tables, const char* bytes,
                                        uint64_t inside, int64_t size, bool cut) {
  const uint64_t letters = stretch.in(tables.letter) & inside, numbers = stretch.in(tables.isolated) & inside;
  const uint64_t spaces = stretch.in(tables.separator) & inside, others = inside & ~(letters | numbers | spaces);
  const uint64_t changes = (letters & ~(letters << 1)) | (numbers & ~(numbers << 1)) | (others & ~(others << 1));
  uint64_t begins = (changes & ~(stretch.in(kSpaces) << 1)) | (spaces & ~(spaces << 1)) | (spaces & (inside & ~spaces) >> 1);
  for (uint64_t quotes = begins & stretch.in(kApostrophes); quotes != 0; quotes &= quotes - 1) {
    const int at = __builtin_ctzll(quotes);
    if (at + 3 > size && cut) {  // its letters may lie beyond the stretch: it is the last word, which is left
      begins &= (uint64_t{2} << at) - 1;
      break;
    }
    // The two after it; what lies behind the text is white space.
    const char one = bytes[at + 1], two = bytes[at + 2];
    int letters_after = 0;
    if (one == 's' || one == 't' || one == 'm' || one == 'd') letters_after = 1;
    else if (((one == 'r' || one == 'v') && two == 'e') || (one == 'l' && two == 'l')) letters_after = 2;
    if (letters_after == 0) continue;
    begins &= ~(uint64_t{2} << at);
    if (at + 1 + letters_after < size) begins |= uint64_t{2} << (at + letters_after);
  }
  StretchWords words{begins, inside & ~begins, size};
  if (cut && begins != 0) {
    words.next = 63 - __builtin_clzll(begins);
    words.begins &= ~(uint64_t{1} << words.next);
  }
  return words;
}

constexpr uint64_t kLowBytes[9] = {0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF,
                                   0xFFFFFFFFFFFFFF, ~uint64_t{0}};

inline const WordSlot* look_up(const WordSlot* slots, uint64_t mask, uint64_t low, uint64_t high, uint32_t length,
                               uint64_t hash) {
  for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
    const WordSlot* slot = slots + at;
    if (slot->low == low && slot->high == high && slot->length == length) return slot;
    if (slot->length == 0) return nullptr;
  }
}

struct FoundWord {
  uint64_t low, high, hash;
  uint32_t begin, length;
};

template <bool kByteLevel>
ScanStop scan_words(AsciiScan& scan) {
  const AsciiTables& tables = *scan.tables;
  const WordSlot* words = scan.words == nullptr ? nullptr : scan.words->slots();
  const uint64_t words_mask = scan.words == nullptr ? 0 : scan.words->mask();
  const WordSlot* memory = scan.memory->slots();
  const uint64_t memory_mask = scan.memory->mask();
  const WordSlot* first_slots = words == nullptr ? memory : words;
  const uint64_t first_mask = words == nullptr ? memory_mask : words_mask;
  int32_t* out = scan.out + scan.count;
  alignas(64) char padded[64];
  alignas(64) char lowered[64 + 16];
  std::memset(lowered + 64, 0, 16);
  FoundWord found[64];
  ScanStop stop = ScanStop::end;
  while (scan.at < scan.end) {
    const int64_t left = scan.end - scan.at;
    const char* text = scan.text + scan.at;
    int64_t size = 64;
    if (left < 64) {
      std::memcpy(padded, text, static_cast<size_t>(left));
      std::memset(padded + left, ' ', static_cast<size_t>(64 - left));
      text = padded;
      size = left;
    }
    const Stretch stretch(text);
    stretch.copy(tables.lowers, lowered);
    const uint64_t valid = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
    const uint64_t special = ~stretch.in(tables.known) & valid;
    bool cut = left > 64;  // whether a word that touches the end of the stretch may go on beyond it
    if (special != 0) {
      size = __builtin_ctzll(special);
      cut = true;
    }
    const uint64_t inside = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
    const StretchWords stretch_words = kByteLevel ? byte_level_words_of(stretch, tables, lowered, inside, size, cut)
                                                  : words_of(stretch, tables, inside, size, cut);
    int count = 0;
    for (uint64_t begins = stretch_words.begins; begins != 0; begins &= begins - 1, ++count) {
      const int begin = __builtin_ctzll(begins);
      const uint64_t after = begin == 63 ? 0 : stretch_words.continued >> (begin + 1);
      const uint32_t length = 1 + static_cast<uint32_t>(__builtin_ctzll(~after));
      FoundWord& word = found[count];
      uint64_t low, high;
      std::memcpy(&low, lowered + begin, 8);
      std::memcpy(&high, lowered + begin + 8, 8);
      low &= kLowBytes[length < 8 ? length : 8];
      high &= kLowBytes[length < 8 ? 0 : length < 16 ? length - 8 : 8];
      word.low = low;
      word.high = high;
      word.begin = static_cast<uint32_t>(begin);
      word.length = length;
      word.hash = word_hash({low, high}, length);
      prefetch(first_slots + (word.hash & first_mask));
    }
    for (int i = 0; i < count; ++i) {
      const FoundWord& word = found[i];
      const WordSlot* slot = nullptr;
      if (word.length <= 16) {
        if (words != nullptr) {
          slot = look_up(words, words_mask, word.low, word.high, word.length, word.hash);
          if (slot != nullptr) {
            *out++ = slot->ids[0];
            continue;
          }
        }
        slot = look_up(memory, memory_mask, word.low, word.high, word.length, word.hash);
      }
      if (slot == nullptr || slot->count > kMostMemoryIds) {
        scan.at += word.begin;
        scan.size = word.length;
        scan.count = out - scan.out;
        return ScanStop::miss;
      }
      const int32_t* ids = scan.memory->ids(*slot);
      if (slot->count <= 2) {
        out[0] = ids[0];
        out[1] = ids[1];
      } else {
        for (uint32_t k = 0; k < slot->count; ++k) out[k] = ids[k];
      }
      out += slot->count;
    }
    scan.at += stretch_words.next;
    if (special != 0 || (cut && stretch_words.next == 0)) {
      stop = ScanStop::special;
      break;
    }
  }
  scan.count = out - scan.out;
  return stop;
}

ScanStop scan_ascii(AsciiScan& scan) { return scan.tables->byte_level ? scan_words<true>(scan) : scan_words<false>(scan); }
