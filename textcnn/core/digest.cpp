#include "digest.hpp"

#include <bit>
#include <cstring>

#include "error.hpp"
#include "textcnn.h"

namespace textcnn {
namespace {

constexpr uint64_t kPrimes[] = {0x9E3779B185EBCA87u, 0xC2B2AE3D27D4EB4Fu, 0x165667B19E3779F9u, 0x85EBCA77C2B2AE63u,
                                0x27D4EB2F165667C5u};

template <class Word>
Word word_at(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) {
    Word swapped = 0;
    for (size_t i = 0; i < sizeof word; ++i) swapped = static_cast<Word>(swapped << 8 | (word >> 8 * i & 255));
    return swapped;
  }
  return word;
}

uint64_t mixed(uint64_t lane, uint64_t word) { return std::rotl(lane + word * kPrimes[1], 31) * kPrimes[0]; }

}  // namespace

uint64_t digest(std::string_view bytes, uint64_t seed) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t sum = seed + kPrimes[4];
  if (left >= 32) {
    uint64_t lanes[4] = {seed + kPrimes[0] + kPrimes[1], seed + kPrimes[1], seed, seed - kPrimes[0]};
    for (; left >= 32; left -= 32, at += 32)
      for (int i = 0; i < 4; ++i) lanes[i] = mixed(lanes[i], word_at<uint64_t>(at + 8 * i));
    sum = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (const uint64_t lane : lanes) sum = (sum ^ mixed(0, lane)) * kPrimes[0] + kPrimes[3];
  }
  sum += bytes.size();
  for (; left >= 8; left -= 8, at += 8)
    sum = std::rotl(sum ^ mixed(0, word_at<uint64_t>(at)), 27) * kPrimes[0] + kPrimes[3];
  for (; left >= 4; left -= 4, at += 4)
    sum = std::rotl(sum ^ word_at<uint32_t>(at) * kPrimes[0], 23) * kPrimes[1] + kPrimes[2];
  for (; left > 0; --left, ++at) sum = std::rotl(sum ^ static_cast<uint8_t>(*at) * kPrimes[4], 11) * kPrimes[0];
  sum = (sum ^ sum >> 33) * kPrimes[1];
  sum = (sum ^ sum >> 29) * kPrimes[2];
  return sum ^ sum >> 32;
}

uint64_t digest(const SafeTensors& tensors) {
  uint64_t sum = 0;
  for (const auto& [name, value] : tensors.metadata())
    if (name != "digest") sum = digest(value, digest(name, sum));
  for (const auto& [name, tensor] : tensors.tensors()) sum = digest(tensor.bytes(), digest(name, sum));
  return sum;
}

void check_digest(const SafeTensors& tensors, const std::string& name) {
  const auto said = tensors.metadata().find("digest");
  if (said == tensors.metadata().end()) return;
  const std::string found = hex_of(digest(tensors));
  if (said->second != found)
    fail(name + ": got the digest " + found + "; expected " + said->second +
         ", as when it was written; the file is damaged: copy it again, or run `textcnn fold`");
}

std::string hex_of(uint64_t number) {
  std::string digits(16, '0');
  for (int i = 15; i >= 0; --i, number >>= 4) digits[static_cast<size_t>(i)] = "0123456789abcdef"[number & 15];
  return digits;
}

}  // namespace textcnn

uint64_t textcnn_digest(const void* data, size_t bytes, uint64_t seed) {
  return textcnn::digest({static_cast<const char*>(data), bytes}, seed);
}
