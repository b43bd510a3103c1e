// What the model of a tokenizer.json makes of one word: WordLevel, WordPiece, BPE and Unigram.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json.hpp"
#include "word_map.hpp"

namespace textcnn {

// The tokens of one word: their ids, and the byte of the word at which each ends.
struct WordTokens {
  std::vector<int32_t> ids;
  std::vector<int64_t> ends;

  void clear() {
    ids.clear();
    ends.clear();
  }
  void add(int32_t id, int64_t end) {
    ids.push_back(id);
    ends.push_back(end);
  }
};

class WordModel {
 public:
  virtual ~WordModel() = default;

  // Appends the tokens of a word that is not empty.
  virtual void split(const char* word, int64_t length, WordTokens& out) const = 0;

  // Words that are one token each, for the tables that are looked into first; null where there is none.
  virtual const WordMap* whole_words() const { return nullptr; }
  // Whether a word that is not among them is always the one unknown token.
  virtual bool has_one_unknown() const { return false; }
  // The token of a word that is one token whatever it is part of; -1 where it is not.
  int32_t whole_word(const char* word, int64_t length) const;

  // Reads the model of a tokenizer.json; `byte_level` says that words come as bytes. Throws NotCompiled.
  static std::unique_ptr<WordModel> read(const Json& model, bool byte_level);
};

// Bytes that stand for one character each in byte-level vocabularies, by code point; -1 for other characters.
int byte_of_alphabet(uint32_t point);

}  // namespace textcnn
