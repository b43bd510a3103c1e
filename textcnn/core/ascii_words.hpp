// Words of ASCII text, 64 bytes at a time. Included by kernels.cpp alone.
//
// A mask for each kind of character says where words begin and how long they are. Letters are lower-cased all at once.
// The places of all words of the stretch in the memory are asked for before the first of them is looked up.

// Words of letters, with characters between them that are dropped or words of their own. `size` bytes count; `cut`
// where they are not the end of the text.
inline StretchWords words_of(const Stretch& stretch, const AsciiTables& tables, uint64_t inside, int64_t size, bool cut) {
  const uint64_t letters = stretch.in(tables.letter) & inside;
  StretchWords words{letters & ~(letters << 1), letters & ~(letters >> 1), size};
  if (cut && size > 0 && (letters >> (size - 1) & 1) != 0) {
    words.next = 63 - __builtin_clzll(words.begins);
    words.begins &= ~(uint64_t{1} << words.next);
  }
  const uint64_t isolated = stretch.in(tables.isolated) & inside;
  words.begins |= isolated;
  words.ends |= isolated;
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
  // A word ends before the next one begins, the last one with the stretch.
  StretchWords words{begins, begins >> 1 | (inside ^ inside >> 1), size};
  if (cut && begins != 0) {
    words.next = 63 - __builtin_clzll(begins);
    words.begins &= ~(uint64_t{1} << words.next);
  }
  return words;
}

template <bool kByteLevel>
ScanStop scan_words(AsciiScan& scan) {
  const AsciiTables& tables = *scan.tables;
  const uint32_t* places = scan.memory->places();
  const WordSlot* slots = scan.memory->slots();
  const uint32_t mask = scan.memory->mask();
  int32_t* out = scan.out + scan.count;
  alignas(64) char padded[64];
  alignas(64) char lowered[64 + 16];
  std::memset(lowered + 64, 0, 16);
  FoundWord found[64];
  const auto any = [](const WordSlot&) { return true; };
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
    const int count = find_words(stretch_words, lowered, places, mask, found);
    for (int i = 0; i < count; ++i) {
      const WordSlot* slot = nullptr;
      if (found[i].length <= 16)
        slot = look_up(places, slots, mask, found[i].key, found[i].length, found[i].hash, any);
      if (slot == nullptr || slot->count > kMostMemoryIds) {
        scan.at += found[i].begin;
        scan.size = found[i].length;
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
