// Code points to and from UTF-8. Nothing is read beyond the end, whatever the bytes are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace textcnn {

// Bytes of the character that begins with this byte; 1 for a byte that begins none.
inline int64_t utf8_size(uint8_t first) { return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

// The code point at text[at], and `at` moved beyond it. U+FFFD where the text ends within a character.
inline uint32_t decode_utf8(const char* text, int64_t& at, int64_t end) {
  const auto byte = [&](int64_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[at + i])); };
  const uint32_t first = byte(0);
  if (first < 0x80) {
    ++at;
    return first;
  }
  const int64_t size = utf8_size(static_cast<uint8_t>(first));
  if (at + size > end) {
    at = end;
    return 0xFFFD;
  }
  uint32_t point;
  if (size == 2)
    point = (first & 0x1F) << 6 | (byte(1) & 0x3F);
  else if (size == 3)
    point = (first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
  else if (size == 4)
    point = (first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  else
    point = 0xFFFD;
  at += size;
  return point < 0x110000 ? point : 0xFFFD;
}

inline void append_utf8(uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

inline std::u32string utf8_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (int64_t at = 0, end = static_cast<int64_t>(text.size()); at < end;)
    points += static_cast<char32_t>(decode_utf8(text.data(), at, end));
  return points;
}

// Where the first byte that is not valid UTF-8 stands; -1 where there is none.
int64_t first_invalid_utf8(std::string_view text);

}  // namespace textcnn
