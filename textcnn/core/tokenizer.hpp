// A tokenizer.json as tables that give exactly the ids of the library `tokenizers`, or the reason why they cannot.
//
//     text -> added tokens cut out -> words, while characters are normalised -> ids of each word
//
// Words end where the class of a character says so (word_splitter.cpp), or as GPT-2's regular expression has it
// (byte_level.cpp). Most words are one token and found in one look; what a model had to split is remembered.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.hpp"
#include "characters.hpp"
#include "normalizer.hpp"
#include "spare.hpp"
#include "word_map.hpp"
#include "word_model.hpp"

namespace textcnn {

// ASCII characters by what the fast scan does with them: a set for each kind (see ascii_stretch.hpp), and all that it
// knows; any other character stops it.
struct AsciiTables {
  std::array<uint8_t, 16> letter{}, separator{}, isolated{}, known{};
  bool byte_level = false;  // the kinds are letters, white space and numbers of GPT-2's regular expression
  bool lowers = false;      // A-Z become a-z
  bool usable = false;
  bool knows(uint8_t byte) const { return byte < 128 && (known[byte & 15] >> (byte >> 4) & 1) != 0; }
};

// Ids that are written one after the other.
struct Ids {
  std::vector<int32_t> values;
  int64_t count = 0;

  void reserve(int64_t more) {
    if (count + more > static_cast<int64_t>(values.size())) values.resize(static_cast<size_t>(2 * (count + more)));
  }
  void add(int32_t id) {
    reserve(1);
    values[static_cast<size_t>(count++)] = id;
  }
  int32_t* end() { return values.data() + count; }
};

// First and last character of each token, as numbers of characters of the text.
struct Spans {
  std::vector<int64_t> begins, ends;
};

// What one call at a time may write to: the words met so far, and buffers.
struct Workspace {
  Workspace();
  WordMap memory;
  WordTokens tokens;
  std::vector<char> word;
  std::vector<int64_t> origins;  // of the bytes of a word, where spans are wanted
  std::vector<uint8_t> kinds;
  std::vector<int64_t> starts;
  std::vector<int64_t> unit_origins;
  std::string text, prefixed;
  std::vector<float> features;
  Ids ids;
};

class Tokenizer {
 public:
  // Longer texts are tokenized and pooled in pieces of about so many bytes.
  static constexpr int64_t kPieceBytes = 1 << 16;

  // Reads the text of a tokenizer.json; throws NotCompiled or Error.
  explicit Tokenizer(std::string_view json);

  // Appends the ids of one UTF-8 text, and unless null where its tokens stand.
  void encode(std::string_view text, Workspace& workspace, Ids& out, Spans* spans = nullptr) const;

  // Passes the ids of a text of any length to `sink` piece by piece, where it can be cut without changing its ids.
  template <class Sink>
  void encode_pieces(std::string_view text, Workspace& workspace, Ids& ids, Sink&& sink) const {
    const auto size = static_cast<int64_t>(text.size());
    if (limit_ >= 0 || size <= kPieceBytes || added_.may_hold(text.data(), 0, size)) {
      ids.count = 0;
      encode(text, workspace, ids);
      return sink(ids);
    }
    ids.count = 0;
    for (const int32_t id : prefix_) ids.add(id);
    for (int64_t begin = 0; begin < size;) {
      const int64_t end = place_to_cut(text, begin + kPieceBytes);
      encode_part(text, begin, end, 0, workspace, ids, nullptr);
      sink(ids);
      ids.count = 0;
      begin = end;
    }
    for (const int32_t id : suffix_) ids.add(id);
    sink(ids);
  }

  // A workspace that no other call uses.
  Borrowed<Workspace> workspace() const {
    return {workspaces_, [] { return std::make_unique<Workspace>(); }};
  }

  int64_t vocab_size() const { return vocab_size_; }
  // Ids that any text begins and ends with.
  int64_t added_ids() const { return static_cast<int64_t>(prefix_.size() + suffix_.size()); }

 private:
  friend class WordSplitter;
  friend class ByteLevelSplitter;
  void read_splitting(const Json& part);
  void read_post_processor(const Json& part);
  void read_truncation(const Json& part);
  void make_ascii_tables();
  int64_t place_to_cut(std::string_view text, int64_t from) const;
  void encode_part(std::string_view text, int64_t begin, int64_t end, int64_t first_character, Workspace& workspace,
                   Ids& out, Spans* spans) const;

  Splitting splitting_ = Splitting::bert;
  Normalizer normalizer_;
  std::unique_ptr<WordModel> model_;
  Characters characters_, normalized_characters_;
  AddedTokens added_;
  AsciiTables ascii_;
  std::vector<int32_t> prefix_, suffix_;
  int64_t limit_ = -1;        // most ids beside those; -1 for any number
  std::string replacement_;   // Metaspace: what stands for a space
  bool prepends_ = false, prepends_first_only_ = false;
  bool add_prefix_space_ = false;
  bool trims_spans_ = false, trims_prefix_space_ = false;
  int64_t vocab_size_ = 0;
  mutable Spare<Workspace> workspaces_;
};

}  // namespace textcnn

struct textcnn_tokenizer : textcnn::Tokenizer {
  using textcnn::Tokenizer::Tokenizer;
};
