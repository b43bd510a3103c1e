// What the scan of ASCII text is given and gives: see ascii_words.hpp.
#pragma once

#include <cstdint>

#include "tokenizer.hpp"
#include "word_map.hpp"

namespace textcnn {

enum class ScanStop {
  end,      // the text is done
  special,  // a character that the scan does not know, or a word that touches one: `at` is where that word begins
  miss,     // a word that is not in the memory: from `at`, `size` bytes
};

struct AsciiScan {
  const AsciiTables* tables;
  const WordMap* memory;
  const char* text;
  int64_t at, end;
  int32_t* out;           // has room for an id for each byte of the text, and kMostMemoryIds
  int64_t count;          // ids written
  int64_t size;           // of a missed word
};

// Words that became more tokens than this are read from the memory by the caller.
constexpr int64_t kMostMemoryIds = 64;

}  // namespace textcnn
