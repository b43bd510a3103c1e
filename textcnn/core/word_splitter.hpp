// Words that end where the class of a character says so, and their ids.
#pragma once

#include <cstdint>
#include <string_view>

#include "tokenizer.hpp"

namespace textcnn {

// A piece of text and the characters that its bytes come from.
struct SplitText {
  const char* text;
  int64_t begin, end;
  int64_t first_character;        // number of the character at `begin`
  const int64_t* origins = nullptr;  // of each character, for text that was normalised before
};

class WordSplitter {
 public:
  WordSplitter(const Tokenizer& tokenizer, const Characters& characters, Workspace& workspace, Ids& out, Spans* spans)
      : tokenizer_(tokenizer), characters_(characters), workspace_(workspace), out_(out), spans_(spans) {}

  // Appends the ids of a text; false where its marks have to be sorted first: nothing counts then.
  bool split(const SplitText& source, bool begins_text);

 private:
  void begin_word(const SplitText& source);
  void append(const uint8_t* bytes, int64_t size, int64_t origin);
  void emit();
  void add_tokens(const char* word, int64_t length);

  const Tokenizer& tokenizer_;
  const Characters& characters_;
  Workspace& workspace_;
  Ids& out_;
  Spans* spans_;
  int64_t length_ = 0;  // bytes of the present word
};

// The ids of a word, from the tables, from the memory or from the model; kept in the memory where it was the model.
void append_word(const WordModel& model, const char* word, int64_t length, Workspace& workspace, Ids& out);

// Appends the ids of the words of ASCII text from a place on at which a word may begin; returns where it stopped, which
// is such a place again.
int64_t scan_ascii_words(const AsciiTables& tables, const WordModel& model, const char* text, int64_t at, int64_t end,
                         Workspace& workspace, Ids& out);

// Appends the ids of a byte-level text; false where its marks have to be sorted first.
class ByteLevelSplitter {
 public:
  ByteLevelSplitter(const Tokenizer& tokenizer, const Characters& characters, Workspace& workspace, Ids& out, Spans* spans)
      : tokenizer_(tokenizer), characters_(characters), workspace_(workspace), out_(out), spans_(spans) {}
  bool split(const SplitText& source);

 private:
  bool split_characters(const SplitText& source, bool prefixed);
  void emit(const char* word, int64_t length, const int64_t* origins);
  void trim(const char* token, int64_t length, int64_t& first, int64_t& last) const;

  const Tokenizer& tokenizer_;
  const Characters& characters_;
  Workspace& workspace_;
  Ids& out_;
  Spans* spans_;
};

}  // namespace textcnn
