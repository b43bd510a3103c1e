#include "added_tokens.hpp"

#include <algorithm>
#include <cstring>

#include "error.hpp"
#include "normalizer.hpp"
#include "unicode.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

bool has(uint32_t point, uint32_t property) { return (unicode::properties(point) & property) != 0; }

// The character that ends at `at`, and where it begins.
uint32_t character_before(const char* text, int64_t begin, int64_t& at) {
  const int64_t end = at--;
  while (at > begin && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) --at;
  int64_t position = at;
  return decode_utf8(text, position, end);
}

}  // namespace

void AddedTokens::open(const Json& tokens, bool has_normalizer) {
  for (const Json& entry : tokens.items()) {
    const int64_t id = entry["id"].integer();
    if (id < 0 || id > INT32_MAX) fail("tokenizer.json: got token id " + text_of(id) + "; expected 0 to 2147483647");
    largest_id_ = std::max(largest_id_, static_cast<int32_t>(id));
    AddedToken token{entry["content"].text(), static_cast<int32_t>(id), entry["single_word"].boolean_or(false),
                     entry["lstrip"].boolean_or(false), entry["rstrip"].boolean_or(false)};
    const bool normalized = entry["normalized"].boolean_or(true);
    if (normalized && has_normalizer)
      throw NotCompiled{"its added token '" + token.content + "' is looked for after normalization"};
    if (token.content.empty()) continue;
    const char first = token.content[0];
    if (first_bytes_.find(first) == std::string::npos) first_bytes_ += first;
    (normalized ? second_ : first_).push_back(std::move(token));
  }
}

bool AddedTokens::may_hold(const char* text, int64_t begin, int64_t end) const {
  if (begin == end) return false;
  for (const char first : first_bytes_)
    if (std::memchr(text + begin, first, static_cast<size_t>(end - begin)) != nullptr) return true;
  return false;
}

std::vector<TextPart> AddedTokens::cut(const char* text, int64_t begin, int64_t end) const {
  std::vector<TextPart> once, twice;
  cut(first_, text, {begin, end, -1}, once);
  for (const TextPart& part : once) {
    if (part.id < 0)
      cut(second_, text, part, twice);
    else
      twice.push_back(part);
  }
  return twice;
}

// The leftmost match counts, the longest of those that begin there.
void AddedTokens::cut(const std::vector<AddedToken>& tokens, const char* text, TextPart part,
                      std::vector<TextPart>& out) const {
  int64_t done = part.begin;
  for (int64_t at = part.begin; at < part.end;) {
    const AddedToken* found = nullptr;
    for (const AddedToken& token : tokens) {
      const auto size = static_cast<int64_t>(token.content.size());
      if (text[at] == token.content[0] && at + size <= part.end &&
          std::memcmp(text + at, token.content.data(), static_cast<size_t>(size)) == 0 &&
          (found == nullptr || token.content.size() > found->content.size()))
        found = &token;
    }
    if (found == nullptr) {
      ++at;
      continue;
    }
    int64_t begin = at, end = at + static_cast<int64_t>(found->content.size());
    at = end;
    if (found->single_word) {
      int64_t before = begin, after = end;
      const bool word_before = begin > part.begin && has(character_before(text, part.begin, before), unicode::kWord);
      const bool word_after = end < part.end && has(decode_utf8(text, after, part.end), unicode::kWord);
      if (word_before || word_after) continue;
    }
    if (found->strips_left) {
      for (int64_t before = begin; before > part.begin;) {
        if (!has(character_before(text, part.begin, before), unicode::kRegexSpace)) break;
        begin = before;
      }
      begin = std::max(begin, done);
    }
    if (found->strips_right) {
      for (int64_t after = end; after < part.end;) {
        if (!has(decode_utf8(text, after, part.end), unicode::kRegexSpace)) break;
        end = after;
      }
    }
    if (done < begin) out.push_back({done, begin, -1});
    out.push_back({begin, end, found->id});
    done = end;
  }
  if (done < part.end) out.push_back({done, part.end, -1});
}

}  // namespace textcnn
