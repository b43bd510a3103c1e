// Words of ASCII text, 64 bytes at a time. Included by kernels.cpp alone.
//
// Two look-ups by the halves of a byte say whether it is a letter, a separator or a word of its own; from the three
// masks follow where words begin and how long they are. Letters are lower-cased all at once. The slots of all words
// of the stretch are asked for before the first of them is read.

struct AsciiMasks {
  uint64_t letters, separators, isolated;
};

#if defined(__AVX2__) && !defined(TEXTCNN_PLAIN)
inline uint64_t bits_of(__m256i low, __m256i high, const std::array<uint8_t, 16>& table) {
  const __m256i own = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table.data())));
  const __m256i hits = _mm256_and_si256(_mm256_shuffle_epi8(own, low), high);
  return static_cast<uint32_t>(~_mm256_movemask_epi8(_mm256_cmpeq_epi8(hits, _mm256_setzero_si256())));
}

inline AsciiMasks masks_of(const char* text, const AsciiTables& tables, char* lowered) {
  AsciiMasks masks{};
  // 1 << (byte / 16); a byte beyond ASCII gives 0 in the first look-up.
  const __m256i powers = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, static_cast<char>(128), 0, 0, 0, 0, 0, 0, 0, 0));
  for (int half = 0; half < 2; ++half) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32 * half));
    const __m256i high =
        _mm256_shuffle_epi8(powers, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15)));
    masks.letters |= bits_of(bytes, high, tables.letter) << (32 * half);
    masks.separators |= bits_of(bytes, high, tables.separator) << (32 * half);
    masks.isolated |= bits_of(bytes, high, tables.isolated) << (32 * half);
    __m256i kept = bytes;
    if (tables.lowers) {
      const __m256i capital = _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8('A' - 1)),
                                               _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), bytes));
      kept = _mm256_or_si256(bytes, _mm256_and_si256(capital, _mm256_set1_epi8(0x20)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lowered + 32 * half), kept);
  }
  return masks;
}
#elif defined(__wasm_simd128__) && !defined(TEXTCNN_PLAIN)
inline AsciiMasks masks_of(const char* text, const AsciiTables& tables, char* lowered) {
  AsciiMasks masks{};
  const v128_t powers = wasm_u8x16_make(1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0);
  for (int part = 0; part < 4; ++part) {
    const v128_t bytes = wasm_v128_load(text + 16 * part);
    const v128_t high = wasm_i8x16_swizzle(powers, wasm_u8x16_shr(bytes, 4));
    const v128_t low = wasm_v128_and(bytes, wasm_u8x16_splat(0x8F));
    const auto bits = [&](const std::array<uint8_t, 16>& table) {
      const v128_t hits = wasm_v128_and(wasm_i8x16_swizzle(wasm_v128_load(table.data()), low), high);
      return static_cast<uint64_t>(wasm_i8x16_bitmask(wasm_i8x16_ne(hits, wasm_u8x16_splat(0)))) << (16 * part);
    };
    masks.letters |= bits(tables.letter);
    masks.separators |= bits(tables.separator);
    masks.isolated |= bits(tables.isolated);
    const v128_t capital = wasm_v128_and(wasm_u8x16_ge(bytes, wasm_u8x16_splat('A')), wasm_u8x16_le(bytes, wasm_u8x16_splat('Z')));
    wasm_v128_store(lowered + 16 * part,
                    tables.lowers ? wasm_v128_or(bytes, wasm_v128_and(capital, wasm_u8x16_splat(0x20))) : bytes);
  }
  return masks;
}
#else
inline AsciiMasks masks_of(const char* text, const AsciiTables& tables, char* lowered) {
  AsciiMasks masks{};
  for (int i = 0; i < 64; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const bool ascii = byte < 128;
    const int low = byte & 15, high = byte >> 4 & 7;
    masks.letters |= static_cast<uint64_t>(ascii & tables.letter[low] >> high) << i;
    masks.separators |= static_cast<uint64_t>(ascii & tables.separator[low] >> high) << i;
    masks.isolated |= static_cast<uint64_t>(ascii & tables.isolated[low] >> high) << i;
    lowered[i] = tables.lowers && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : text[i];
  }
  return masks;
}
#endif

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

ScanStop scan_ascii(AsciiScan& scan) {
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
    AsciiMasks masks = masks_of(text, *scan.tables, lowered);
    const uint64_t valid = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
    const uint64_t special = ~(masks.letters | masks.separators | masks.isolated) & valid;
    bool cut = left > 64;  // whether a word that touches the end of the stretch may go on beyond it
    if (special != 0) {
      size = __builtin_ctzll(special);
      cut = true;
    }
    const uint64_t inside = size == 64 ? ~uint64_t{0} : (uint64_t{1} << size) - 1;
    const uint64_t letters = masks.letters & inside;
    const uint64_t continued = letters & (letters << 1);
    uint64_t tokens = (letters & ~(letters << 1)) | (masks.isolated & inside);
    int64_t next = size;
    if (cut && size > 0 && (letters >> (size - 1) & 1) != 0) {
      next = 63 - __builtin_clzll(letters & ~(letters << 1));
      tokens &= ~(uint64_t{1} << next);
    }
    int count = 0;
    for (; tokens != 0; tokens &= tokens - 1, ++count) {
      const int begin = __builtin_ctzll(tokens);
      const uint64_t after = begin == 63 ? 0 : continued >> (begin + 1);
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
    scan.at += next;
    if (special != 0 || (cut && next == 0)) {
      stop = ScanStop::special;
      break;
    }
  }
  scan.count = out - scan.out;
  return stop;
}
