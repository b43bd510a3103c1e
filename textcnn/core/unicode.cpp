#include "unicode.hpp"

#include <algorithm>
#include <iterator>

#include "unicode_tables.hpp"
#include "utf8.hpp"

namespace textcnn {

int64_t first_invalid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  for (size_t at = 0; at < text.size();) {
    const uint8_t first = byte(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    const size_t size = first < 0xC2 || first > 0xF4 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (size == 0 || at + size > text.size()) return static_cast<int64_t>(at);
    for (size_t i = 1; i < size; ++i)
      if ((byte(at + i) & 0xC0) != 0x80) return static_cast<int64_t>(at);
    const uint8_t second = byte(at + 1);
    // Overlong forms, surrogates, and what lies beyond U+10FFFF.
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second >= 0x90))
      return static_cast<int64_t>(at);
    at += size;
  }
  return -1;
}

namespace unicode {
namespace {

template <class Entry, size_t N>
const Entry* find(const Entry (&entries)[N], uint32_t point) {
  const Entry* found = std::lower_bound(std::begin(entries), std::end(entries), point,
                                        [](const Entry& entry, uint32_t wanted) { return entry.point < wanted; });
  return found != std::end(entries) && found->point == point ? found : nullptr;
}

void append_mapped(const Mapping* mapping, uint32_t point, std::u32string& out) {
  if (mapping == nullptr) {
    out += static_cast<char32_t>(point);
    return;
  }
  for (uint32_t i = 0; i < mapping->size; ++i) out += static_cast<char32_t>(kMapped[mapping->begin + i]);
}

}  // namespace

uint32_t properties(uint32_t point) {
  const PropertyRun* after =
      std::upper_bound(std::begin(kPropertyRuns), std::end(kPropertyRuns), point,
                       [](uint32_t wanted, const PropertyRun& run) { return wanted < run.first; });
  return (after - 1)->bits;
}

void append_lowercase(uint32_t point, std::u32string& out) { append_mapped(find(kLowercase, point), point, out); }

void append_decomposition(uint32_t point, std::u32string& out) {
  // Hangul syllables decompose by a rule (The Unicode Standard, 3.12).
  constexpr uint32_t kFirst = 0xAC00, kCount = 11172, kVowels = 21, kTrailing = 28;
  if (point - kFirst < kCount) {
    const uint32_t index = point - kFirst;
    out += static_cast<char32_t>(0x1100 + index / (kVowels * kTrailing));
    out += static_cast<char32_t>(0x1161 + index % (kVowels * kTrailing) / kTrailing);
    if (index % kTrailing != 0) out += static_cast<char32_t>(0x11A7 + index % kTrailing);
    return;
  }
  append_mapped(find(kDecompositions, point), point, out);
}

uint32_t combining_class(uint32_t point) {
  if (point < 0x300) return 0;
  const CombiningClass* found = find(kCombiningClasses, point);
  return found == nullptr ? 0 : found->number;
}

void order_marks(std::u32string& text, std::vector<uint8_t>& flags) {
  struct Mark {
    uint32_t number;
    char32_t point;
    uint8_t flag;
  };
  std::vector<Mark> run;
  for (size_t begin = 0; begin < text.size();) {
    run.clear();
    size_t end = begin;
    for (uint32_t number; end < text.size() && (number = combining_class(text[end])) != 0; ++end)
      run.push_back({number, text[end], flags[end]});
    std::stable_sort(run.begin(), run.end(), [](const Mark& a, const Mark& b) { return a.number < b.number; });
    for (size_t i = 0; i < run.size(); ++i) {
      text[begin + i] = run[i].point;
      flags[begin + i] = run[i].flag;
    }
    begin = end + 1;
  }
}

}  // namespace unicode
}  // namespace textcnn
