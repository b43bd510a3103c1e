#include "bpe.hpp"

#include <algorithm>
#include <array>
#include <queue>

#include "error.hpp"
#include "normalizer.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

struct Merge {
  int32_t rank, id;
};

// Pairs of ids to their merges: open addressing with one 64-bit number for a pair.
class MergeMap {
 public:
  explicit MergeMap(size_t merges) {
    size_t slots = 16;
    while (slots < 2 * (merges + 1)) slots *= 2;
    pairs_.assign(slots, kEmpty);
    merges_.resize(slots);
    mask_ = slots - 1;
  }

  void assign(int32_t left, int32_t right, Merge merge) {
    const uint64_t pair = pair_of(left, right);
    size_t at = hash(pair) & mask_;
    while (pairs_[at] != kEmpty && pairs_[at] != pair) at = (at + 1) & mask_;
    pairs_[at] = pair;
    merges_[at] = merge;
  }

  const Merge* find(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    for (size_t at = hash(pair) & mask_;; at = (at + 1) & mask_) {
      if (pairs_[at] == pair) return &merges_[at];
      if (pairs_[at] == kEmpty) return nullptr;
    }
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};  // ids are not negative
  static uint64_t pair_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  static size_t hash(uint64_t pair) {
    const uint64_t mixed = pair * kMix1;
    return static_cast<size_t>(mixed ^ (mixed >> 32));
  }
  std::vector<uint64_t> pairs_;
  std::vector<Merge> merges_;
  size_t mask_;
};

// A part of the word, in a list of its neighbours; an id of -1 has become part of the one before.
struct Symbol {
  int32_t id;
  int32_t previous, next;
  int64_t end;
};

struct Candidate {
  int32_t rank, position, id;
  // The queue gives its largest first: the lowest rank, the leftmost of equal ones.
  bool operator<(const Candidate& other) const {
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

class Bpe : public WordModel {
 public:
  Bpe(const Json& model, bool byte_level)
      : byte_level_(byte_level),
        fuses_unknown_(model["fuse_unk"].boolean_or(false)),
        falls_back_(model["byte_fallback"].boolean_or(false)),
        ignores_merges_(model["ignore_merges"].boolean_or(false)),
        prefix_(model["continuing_subword_prefix"].text_or("")),
        suffix_(model["end_of_word_suffix"].text_or("")),
        words_(static_cast<int64_t>(model["vocab"].members().size()) + 1),
        merges_(model["merges"].items().size()) {
    if (model["dropout"].number_or(0) != 0) throw NotCompiled{"its BPE has dropout"};
    if (byte_level && !(prefix_.empty() && suffix_.empty() && !falls_back_))
      throw NotCompiled{"its byte-level BPE marks the places of pieces"};
    WordMap names(static_cast<int64_t>(model["vocab"].members().size()) + 1);
    for (const auto& [name, number] : model["vocab"].members()) {
      const int64_t id = number.integer();
      if (id < 0 || id > INT32_MAX) fail("tokenizer.json: got token id " + text_of(id) + "; expected 0 to 2147483647");
      if (name.empty()) continue;
      names.assign(name.data(), static_cast<int64_t>(name.size()), static_cast<int32_t>(id));
      const std::string bytes = byte_level ? bytes_of(name) : name;
      if (!bytes.empty()) words_.assign(bytes.data(), static_cast<int64_t>(bytes.size()), static_cast<int32_t>(id));
    }
    const auto id_of = [&](std::string_view name) {
      const WordSlot* slot = name.empty() ? nullptr : names.find(name.data(), static_cast<int64_t>(name.size()));
      if (slot == nullptr) fail("tokenizer.json: got a merge of a token that is not in the vocabulary; copy it again");
      return names.ids(*slot)[0];
    };
    int32_t rank = 0;
    for (const Json& merge : model["merges"].items()) {
      std::string left, right;
      if (merge.is_array()) {
        if (merge.items().size() != 2) fail("tokenizer.json: got a merge of other than two tokens; copy it again");
        left = merge.items()[0].text();
        right = merge.items()[1].text();
      } else {
        const size_t space = merge.text().find(' ');
        if (space == std::string::npos) fail("tokenizer.json: got a merge of one token; copy it again");
        left = merge.text().substr(0, space);
        right = merge.text().substr(space + 1);
      }
      const std::string whole = left + (right.starts_with(prefix_) ? right.substr(prefix_.size()) : right);
      merges_.assign(id_of(left), id_of(right), {rank++, id_of(whole)});
    }
    const std::string unknown = model["unk_token"].text_or("");
    if (!unknown.empty()) {
      const WordSlot* slot = names.find(unknown.data(), static_cast<int64_t>(unknown.size()));
      if (slot == nullptr) throw NotCompiled{"its unknown token is not in its vocabulary"};
      unknown_ = names.ids(*slot)[0];
    }
    for (int byte = 0; byte < 256; ++byte) {
      constexpr char kDigits[] = "0123456789ABCDEF";
      const std::string name = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
      const WordSlot* slot = names.find(name.data(), 6);
      byte_tokens_[static_cast<size_t>(byte)] = slot == nullptr ? -1 : names.ids(*slot)[0];
    }
  }

  void split(const char* word, int64_t length, WordTokens& out) const override {
    if (ignores_merges_)
      if (const WordSlot* slot = words_.find(word, length)) return out.add(words_.ids(*slot)[0], length);
    std::vector<Symbol> symbols;
    symbols.reserve(static_cast<size_t>(length));
    add_symbols(word, length, symbols);
    merge_all(symbols);
    for (const Symbol& symbol : symbols)
      if (symbol.id >= 0) out.add(symbol.id, symbol.end);
  }

 private:
  static std::string bytes_of(const std::string& name) {
    std::string bytes;
    for (const char32_t point : utf8_points(name)) {
      const int byte = byte_of_alphabet(point);
      if (byte < 0) return {};  // no word has it
      bytes += static_cast<char>(byte);
    }
    return bytes;
  }

  static void add(int32_t id, int64_t end, std::vector<Symbol>& symbols) {
    const auto at = static_cast<int32_t>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({id, at - 1, -1, end});
  }

  void add_symbols(const char* word, int64_t length, std::vector<Symbol>& symbols) const {
    int64_t unknown_end = -1;  // of unknown characters that are not added yet
    const auto add_unknown = [&] {
      if (unknown_end >= 0) add(unknown_, unknown_end, symbols);
      unknown_end = -1;
    };
    std::string marked;
    for (int64_t at = 0, size; at < length; at += size) {
      size = byte_level_ ? 1 : std::min(utf8_size(static_cast<uint8_t>(word[at])), length - at);
      const char* character = word + at;
      int64_t bytes = size;
      if ((at > 0 && !prefix_.empty()) || (at + size == length && !suffix_.empty())) {
        marked = (at > 0 ? prefix_ : "") + std::string(character, static_cast<size_t>(size)) +
                 (at + size == length ? suffix_ : "");
        character = marked.data();
        bytes = static_cast<int64_t>(marked.size());
      }
      if (const WordSlot* slot = words_.find(character, bytes)) {
        add_unknown();
        add(words_.ids(*slot)[0], at + size, symbols);
        continue;
      }
      if (falls_back_) {
        bool all = true;
        for (int64_t i = 0; i < bytes; ++i) all &= byte_tokens_[static_cast<uint8_t>(character[i])] >= 0;
        if (all) {
          // The library adds these before unknown characters that it still holds.
          for (int64_t i = 0; i < bytes; ++i)
            add(byte_tokens_[static_cast<uint8_t>(character[i])], i + 1 == bytes ? at + size : at + i + 1, symbols);
          continue;
        }
      }
      if (unknown_ < 0) continue;
      if (!fuses_unknown_) add_unknown();
      unknown_end = at + size;
    }
    add_unknown();
  }

  void merge_all(std::vector<Symbol>& symbols) const {
    std::vector<Candidate> heap;
    const auto consider = [&](int32_t left) {
      const int32_t right = symbols[static_cast<size_t>(left)].next;
      if (right < 0) return;
      const Merge* merge = merges_.find(symbols[static_cast<size_t>(left)].id, symbols[static_cast<size_t>(right)].id);
      if (merge == nullptr) return;
      heap.push_back({merge->rank, left, merge->id});
      std::push_heap(heap.begin(), heap.end());
    };
    for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
    while (!heap.empty()) {
      const Candidate best = heap.front();
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
      Symbol& left = symbols[static_cast<size_t>(best.position)];
      if (left.id < 0 || left.next < 0) continue;
      Symbol& right = symbols[static_cast<size_t>(left.next)];
      // What stood there when it was considered may have been merged since.
      const Merge* merge = merges_.find(left.id, right.id);
      if (merge == nullptr || merge->id != best.id) continue;
      left.id = merge->id;
      left.end = right.end;
      right.id = -1;
      left.next = right.next;
      if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.position;
      if (left.previous >= 0) consider(left.previous);
      consider(best.position);
    }
  }

  bool byte_level_, fuses_unknown_, falls_back_, ignores_merges_;
  std::string prefix_, suffix_;
  WordMap words_;
  MergeMap merges_;
  int32_t unknown_ = -1;
  std::array<int32_t, 256> byte_tokens_{};
};

}  // namespace

std::unique_ptr<WordModel> read_bpe(const Json& model, bool byte_level) { return std::make_unique<Bpe>(model, byte_level); }

}  // namespace textcnn
