// Added tokens: cut out of a text before anything else is done with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.hpp"

namespace textcnn {

struct AddedToken {
  std::string content;
  int32_t id;
  bool single_word, strips_left, strips_right;
};

// A part of a text: an added token, or what stands between two (id -1).
struct TextPart {
  int64_t begin, end;
  int32_t id;
};

class AddedTokens {
 public:
  // Reads the list of a tokenizer.json; throws NotCompiled for tokens that are looked for after normalization.
  void open(const Json& tokens, bool has_normalizer);

  // Whether a text may hold one: a look at its bytes, much faster than to search.
  bool may_hold(const char* text, int64_t begin, int64_t end) const;
  // Cuts a text into its parts; empty ones are left out.
  std::vector<TextPart> cut(const char* text, int64_t begin, int64_t end) const;

  int32_t largest_id() const { return largest_id_; }

 private:
  void cut(const std::vector<AddedToken>& tokens, const char* text, TextPart part, std::vector<TextPart>& out) const;

  std::vector<AddedToken> first_, second_;  // those that are cut out first, and those that are cut out of the rest
  std::string first_bytes_;                 // with which any of them begins
  int32_t largest_id_ = -1;
};

}  // namespace textcnn
