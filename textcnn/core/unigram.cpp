#include "unigram.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "error.hpp"
#include "normalizer.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

// What an unknown character costs beyond the worst piece.
constexpr double kUnknownPenalty = 10.0;

class Unigram : public WordModel {
 public:
  explicit Unigram(const Json& model)
      : pieces_(static_cast<int64_t>(model["vocab"].items().size()) + 1), falls_back_(model["byte_fallback"].boolean_or(false)) {
    double least = INFINITY;
    for (const Json& entry : model["vocab"].items()) {
      if (entry.items().size() != 2) fail("tokenizer.json: got a piece without a score; copy it again");
      const std::string& piece = entry.items()[0].text();
      const double score = entry.items()[1].number();
      if (!std::isfinite(score)) fail("tokenizer.json: got a score that is not finite; copy it again");
      least = std::min(least, score);
      if (!piece.empty()) {
        pieces_.assign(piece.data(), static_cast<int64_t>(piece.size()), static_cast<int32_t>(scores_.size()));
        longest_ = std::max(longest_, static_cast<int64_t>(piece.size()));
      }
      scores_.push_back(score);
    }
    unknown_score_ = least - kUnknownPenalty;
    const int64_t unknown = model["unk_id"].integer_or(-1);
    if (unknown < 0 || unknown >= static_cast<int64_t>(scores_.size())) throw NotCompiled{"its model has no unknown token"};
    unknown_ = static_cast<int32_t>(unknown);
    for (int byte = 0; byte < 256; ++byte) {
      constexpr char kDigits[] = "0123456789ABCDEF";
      const char name[] = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
      const WordSlot* slot = pieces_.find(name, 6);
      byte_tokens_[static_cast<size_t>(byte)] = slot == nullptr ? -1 : pieces_.ids(*slot)[0];
    }
  }

  void split(const char* word, int64_t length, WordTokens& out) const override {
    struct Node {
      double score = 0;
      int64_t begin = -1;  // -1 while no piece ends here
      int32_t id = 0;
    };
    std::vector<Node> nodes(static_cast<size_t>(length) + 1);
    const auto offer = [&](int64_t begin, int64_t end, double score, int32_t id) {
      Node& node = nodes[static_cast<size_t>(end)];
      if (node.begin < 0 || score > node.score) node = {score, begin, id};
    };
    for (int64_t begin = 0; begin < length;) {
      const double before = nodes[static_cast<size_t>(begin)].score;
      const int64_t character = std::min(utf8_size(static_cast<uint8_t>(word[begin])), length - begin);
      bool has_character = false;
      for (int64_t size = 1; size <= std::min(longest_, length - begin); ++size) {
        const bool whole = begin + size == length || (static_cast<uint8_t>(word[begin + size]) & 0xC0) != 0x80;
        const WordSlot* slot = whole ? pieces_.find(word + begin, size) : nullptr;
        if (slot == nullptr) continue;
        const int32_t id = pieces_.ids(*slot)[0];
        offer(begin, begin + size, scores_[static_cast<size_t>(id)] + before, id);
        has_character |= size == character;
      }
      if (!has_character) offer(begin, begin + character, unknown_score_ + before, unknown_);
      begin += character;
    }
    // Backwards along the best path; neighbouring unknown pieces become one.
    std::vector<std::pair<int64_t, int64_t>> path;
    bool after_unknown = false;
    for (int64_t end = length; end > 0;) {
      const Node& node = nodes[static_cast<size_t>(end)];
      const bool unknown = node.id == unknown_;
      if (unknown && after_unknown)
        path.back().first = node.begin;
      else
        path.emplace_back(node.begin, end);
      after_unknown = unknown;
      end = node.begin;
    }
    for (auto piece = path.rbegin(); piece != path.rend(); ++piece) add_piece(word, piece->first, piece->second, out);
  }

 private:
  void add_piece(const char* word, int64_t begin, int64_t end, WordTokens& out) const {
    if (const WordSlot* slot = pieces_.find(word + begin, end - begin)) return out.add(pieces_.ids(*slot)[0], end);
    if (falls_back_) {
      bool all = true;
      for (int64_t i = begin; i < end; ++i) all &= byte_tokens_[static_cast<uint8_t>(word[i])] >= 0;
      if (all) {
        for (int64_t i = begin; i < end; ++i) out.add(byte_tokens_[static_cast<uint8_t>(word[i])], end);
        return;
      }
    }
    out.add(unknown_, end);
  }

  WordMap pieces_;
  std::vector<double> scores_;
  std::array<int32_t, 256> byte_tokens_{};
  double unknown_score_;
  int64_t longest_ = 1;
  int32_t unknown_;
  bool falls_back_;
};

}  // namespace

std::unique_ptr<WordModel> read_unigram(const Json& model) { return std::make_unique<Unigram>(model); }

}  // namespace textcnn
