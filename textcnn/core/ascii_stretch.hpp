// 64 bytes of text at a time, and which of them lie in a set of ASCII characters. Included by kernels.cpp alone.
//
// A set is two look-ups by the halves of a byte: entry `byte & 15` of its table has bit `byte >> 4` where the byte is in
// the set. A byte beyond ASCII is in none.

using AsciiSet = std::array<uint8_t, 16>;

#if defined(__AVX2__) && !defined(TEXTCNN_PLAIN)
class Stretch {
 public:
  explicit Stretch(const char* text) {
    // 1 << (byte / 16); a byte beyond ASCII gives 0 in the look-up of its lower half.
    const __m256i powers = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, static_cast<char>(128), 0, 0, 0, 0, 0, 0, 0, 0));
    for (int half = 0; half < 2; ++half) {
      bytes_[half] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32 * half));
      high_[half] =
          _mm256_shuffle_epi8(powers, _mm256_and_si256(_mm256_srli_epi16(bytes_[half], 4), _mm256_set1_epi8(15)));
    }
  }

  uint64_t in(const AsciiSet& set) const {
    const __m256i own = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(set.data())));
    uint64_t mask = 0;
    for (int half = 0; half < 2; ++half) {
      const __m256i hits = _mm256_and_si256(_mm256_shuffle_epi8(own, bytes_[half]), high_[half]);
      const auto missed = _mm256_movemask_epi8(_mm256_cmpeq_epi8(hits, _mm256_setzero_si256()));
      mask |= static_cast<uint64_t>(static_cast<uint32_t>(~missed)) << (32 * half);
    }
    return mask;
  }

  // Writes the 64 bytes, A-Z as a-z if asked.
  void copy(bool lowers, char* out) const {
    for (int half = 0; half < 2; ++half) {
      __m256i kept = bytes_[half];
      if (lowers) {
        const __m256i capital = _mm256_and_si256(_mm256_cmpgt_epi8(kept, _mm256_set1_epi8('A' - 1)),
                                                 _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), kept));
        kept = _mm256_or_si256(kept, _mm256_and_si256(capital, _mm256_set1_epi8(0x20)));
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 32 * half), kept);
    }
  }

 private:
  __m256i bytes_[2], high_[2];
};
#elif defined(__wasm_simd128__) && !defined(TEXTCNN_PLAIN)
class Stretch {
 public:
  explicit Stretch(const char* text) {
    const v128_t powers = wasm_u8x16_make(1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0);
    for (int part = 0; part < 4; ++part) {
      bytes_[part] = wasm_v128_load(text + 16 * part);
      high_[part] = wasm_i8x16_swizzle(powers, wasm_u8x16_shr(bytes_[part], 4));
    }
  }

  uint64_t in(const AsciiSet& set) const {
    uint64_t mask = 0;
    for (int part = 0; part < 4; ++part) {
      const v128_t low = wasm_v128_and(bytes_[part], wasm_u8x16_splat(0x8F));
      const v128_t hits = wasm_v128_and(wasm_i8x16_swizzle(wasm_v128_load(set.data()), low), high_[part]);
      mask |= static_cast<uint64_t>(wasm_i8x16_bitmask(wasm_i8x16_ne(hits, wasm_u8x16_splat(0)))) << (16 * part);
    }
    return mask;
  }

  // Writes the 64 bytes, A-Z as a-z if asked.
  void copy(bool lowers, char* out) const {
    for (int part = 0; part < 4; ++part) {
      const v128_t bytes = bytes_[part];
      const v128_t capital =
          wasm_v128_and(wasm_u8x16_ge(bytes, wasm_u8x16_splat('A')), wasm_u8x16_le(bytes, wasm_u8x16_splat('Z')));
      wasm_v128_store(out + 16 * part,
                      lowers ? wasm_v128_or(bytes, wasm_v128_and(capital, wasm_u8x16_splat(0x20))) : bytes);
    }
  }

 private:
  v128_t bytes_[4], high_[4];
};
#else
class Stretch {
 public:
  explicit Stretch(const char* text) : text_(text) {}

  uint64_t in(const AsciiSet& set) const {
    uint64_t mask = 0;
    for (int i = 0; i < 64; ++i) {
      const auto byte = static_cast<uint8_t>(text_[i]);
      mask |= static_cast<uint64_t>((byte < 128) & set[byte & 15] >> (byte >> 4 & 7)) << i;
    }
    return mask;
  }

  // Writes the 64 bytes, A-Z as a-z if asked.
  void copy(bool lowers, char* out) const {
    for (int i = 0; i < 64; ++i)
      out[i] = lowers && text_[i] >= 'A' && text_[i] <= 'Z' ? static_cast<char>(text_[i] | 0x20) : text_[i];
  }

 private:
  const char* text_;
};
#endif
