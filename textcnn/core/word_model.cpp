#include "word_model.hpp"

#include "bpe.hpp"
#include "error.hpp"
#include "normalizer.hpp"
#include "unigram.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

// A larger limit exists only by mistake.
constexpr int64_t kMostWordCharacters = 10000;

int32_t token_id(const Json& number) {
  const int64_t id = number.integer();
  if (id < 0 || id > INT32_MAX) fail("tokenizer.json: got token id " + text_of(id) + "; expected 0 to 2147483647");
  return static_cast<int32_t>(id);
}

int32_t unknown_id(const Json& model) {
  const std::string unknown = model["unk_token"].text_or("");
  for (auto member = model["vocab"].members().rbegin(); member != model["vocab"].members().rend(); ++member)
    if (member->first == unknown) return token_id(member->second);
  throw NotCompiled{"its model has no unknown token"};
}

int64_t count_characters(const char* word, int64_t length) {
  int64_t characters = 0;
  for (int64_t i = 0; i < length; ++i) characters += (static_cast<uint8_t>(word[i]) & 0xC0) != 0x80;
  return characters;
}

class WordLevel : public WordModel {
 public:
  explicit WordLevel(const Json& model) : words_(static_cast<int64_t>(model["vocab"].members().size()) + 1) {
    unknown_ = unknown_id(model);
    for (const auto& [word, id] : model["vocab"].members())
      if (!word.empty()) words_.assign(word.data(), static_cast<int64_t>(word.size()), token_id(id));
  }

  void split(const char* word, int64_t length, WordTokens& out) const override {
    const WordSlot* slot = words_.find(word, length);
    out.add(slot == nullptr ? unknown_ : words_.ids(*slot)[0], length);
  }
  const WordMap* whole_words() const override { return &words_; }
  bool has_one_unknown() const override { return true; }

 private:
  WordMap words_;
  int32_t unknown_;
};

// The longest pieces of a word from left to right; the unknown token where none fits.
// https://arxiv.org/abs/1609.08144
class WordPiece : public WordModel {
 public:
  explicit WordPiece(const Json& model)
      : most_characters_(model["max_input_chars_per_word"].integer_or(100)),
        unknown_(unknown_id(model)),
        first_(static_cast<int64_t>(model["vocab"].members().size()) + 1),
        next_(static_cast<int64_t>(model["vocab"].members().size()) + 1) {
    if (most_characters_ < 0 || most_characters_ > kMostWordCharacters)
      throw NotCompiled{"its words may have " + text_of(most_characters_) + " characters"};
    const std::string prefix = model["continuing_subword_prefix"].text_or("##");
    for (const auto& [word, number] : model["vocab"].members()) {
      const auto size = static_cast<int64_t>(word.size());
      const int32_t id = token_id(number);
      if (size > 0 && count_characters(word.data(), size) <= most_characters_) {
        first_.assign(word.data(), size, id);
        longest_ = std::max(longest_, size);
      }
      if (word.size() > prefix.size() && word.starts_with(prefix)) {
        const auto rest = size - static_cast<int64_t>(prefix.size());
        next_.assign(word.data() + prefix.size(), rest, id);
        longest_ = std::max(longest_, rest);
      }
    }
  }

  void split(const char* word, int64_t length, WordTokens& out) const override {
    const size_t before = out.ids.size();
    if (count_characters(word, length) > most_characters_) return out.add(unknown_, length);
    for (int64_t begin = 0; begin < length;) {
      const WordMap& pieces = begin == 0 ? first_ : next_;
      int64_t size = std::min(length - begin, longest_);
      const WordSlot* slot = nullptr;
      for (; size > 0 && slot == nullptr; --size) {
        const bool whole = begin + size == length || (static_cast<uint8_t>(word[begin + size]) & 0xC0) != 0x80;
        if (whole) slot = pieces.find(word + begin, size);
        if (slot != nullptr) break;
      }
      if (slot == nullptr) {
        out.ids.resize(before);
        out.ends.resize(before);
        return out.add(unknown_, length);
      }
      begin += size;
      out.add(pieces.ids(*slot)[0], begin);
    }
  }
  const WordMap* whole_words() const override { return &first_; }

 private:
  int64_t most_characters_, longest_ = 1;
  int32_t unknown_;
  WordMap first_, next_;
};

}  // namespace

int32_t WordModel::whole_word(const char* word, int64_t length) const {
  if (const WordMap* words = whole_words())
    if (const WordSlot* slot = words->find(word, length)) return words->ids(*slot)[0];
  // What is in no table may be several tokens; one character of a word-piece model is one or unknown.
  WordTokens tokens;
  split(word, length, tokens);
  return tokens.ids.size() == 1 ? tokens.ids[0] : -1;
}

std::unique_ptr<WordModel> WordModel::read(const Json& model, bool byte_level) {
  const std::string& type = model["type"].text();
  if (type == "BPE") return read_bpe(model, byte_level);
  if (type == "Unigram" && !byte_level) return read_unigram(model);
  if (type == "WordLevel" && !byte_level) return std::make_unique<WordLevel>(model);
  if (type == "WordPiece" && !byte_level) return std::make_unique<WordPiece>(model);
  throw NotCompiled{"its model is " + type};
}

int byte_of_alphabet(uint32_t point) {
  // Radford et al. 2019: bytes that show as characters stand for themselves, the others follow from U+0100 on.
  const auto shown = [](uint32_t byte) {
    return (byte >= 0x21 && byte < 0x7F) || (byte >= 0xA1 && byte < 0xAD) || (byte >= 0xAE && byte < 0x100);
  };
  if (point < 0x100) return shown(point) ? static_cast<int>(point) : -1;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 0x100; ++byte)
    if (!shown(byte) && next++ == point) return static_cast<int>(byte);
  return -1;
}

}  // namespace textcnn
