// What the tokenizers ask of Unicode, as the library `tokenizers` answers it (see make_unicode.py).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace textcnn::unicode {

// Properties of a code point, as bits.
enum Property : uint32_t {
  kControl = 1 << 0,      // taken away by BERT's cleaning
  kBertSpace = 1 << 1,    // white space to BERT
  kChinese = 1 << 2,      // BERT puts spaces around it
  kMark = 1 << 3,         // a mark that StripAccents takes away
  kPunctuation = 1 << 4,  // stands alone in BERT's splitting
  kWhiteSpace = 1 << 5,   // ends a word of WhitespaceSplit
  kWord = 1 << 6,         // \w
  kRegexSpace = 1 << 7,   // \s
  kLetter = 1 << 8,       // \p{L}
  kNumber = 1 << 9,       // \p{N}
  kStripped = 1 << 10,    // taken away by Strip at the ends of a text
  kNonspacing = 1 << 11,  // a mark that BERT takes away with accents
};

uint32_t properties(uint32_t point);
void append_lowercase(uint32_t point, std::u32string& out);
// Canonical decomposition (NFD) of one code point, without sorting.
void append_decomposition(uint32_t point, std::u32string& out);
// The class by which canonical ordering sorts marks; 0 for what stays where it is.
uint32_t combining_class(uint32_t point);
// Sorts each run of marks by their classes, equal ones as they stand; `flags`, one for each, go with them.
void order_marks(std::u32string& text, std::vector<uint8_t>& flags);

}  // namespace textcnn::unicode
