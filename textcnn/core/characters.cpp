#include "characters.hpp"

#include <memory>

#include "unicode.hpp"
#include "utf8.hpp"

namespace textcnn {

Characters::~Characters() {
  for (auto& block : blocks_) delete block.load();
}

void Characters::open(Splitting splitting, const Normalizer* normalizer, std::string replacement, const WordModel* model) {
  splitting_ = splitting;
  normalizer_ = normalizer;
  replacement_ = std::move(replacement);
  replacement_point_ = replacement_.empty() ? 0 : utf8_points(replacement_)[0];
  model_ = model;
}

const CharacterBlock& Characters::make(uint32_t number) const {
  auto made = std::make_unique<CharacterBlock>();
  for (uint32_t i = 0; i < kBlockSize; ++i) {
    const uint32_t point = number * kBlockSize + i;
    std::u32string form = normalizer_ == nullptr ? std::u32string(1, static_cast<char32_t>(point)) : normalizer_->of_point(point);
    bool movable = false;
    if (normalizer_ != nullptr && normalizer_->sorts_marks())
      for (const char32_t unit : form) movable |= unicode::combining_class(unit) != 0;
    if (splitting_ == Splitting::metaspace)
      for (char32_t& unit : form)
        if (unit == U' ') unit = static_cast<char32_t>(replacement_point_);
    const int32_t whole = movable ? -1 : whole_word(form);
    if (whole >= 0) {
      made->records[i] = ~whole;
      continue;
    }
    made->records[i] = static_cast<int32_t>(made->pool.size());
    made->pool.push_back(static_cast<uint8_t>(form.size() | (movable ? kMovable : 0)));
    for (const char32_t unit : form) {
      std::string bytes;
      append_utf8(unit, bytes);
      made->pool.push_back(static_cast<uint8_t>(classify(unit)));
      made->pool.push_back(static_cast<uint8_t>(bytes.size()));
      made->pool.insert(made->pool.end(), bytes.begin(), bytes.end());
    }
  }
  const CharacterBlock* expected = nullptr;
  if (blocks_[number].compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *expected;  // another thread was first, with the same block
}

Class Characters::classify(uint32_t point) const {
  using namespace unicode;
  const uint32_t bits = properties(point);
  switch (splitting_) {
    case Splitting::bert:
      return bits & kBertSpace ? Class::separator : bits & kPunctuation ? Class::isolated : Class::letter;
    case Splitting::white_space: return bits & kWhiteSpace ? Class::separator : Class::letter;
    case Splitting::words:
      return bits & kWord ? Class::letter : bits & kRegexSpace ? Class::separator : Class::symbol;
    case Splitting::characters:
      if (normalizer_ == nullptr || !normalizer_->collapses_space()) return Class::isolated;
      return bits & kRegexSpace ? Class::space_run : bits & kStripped ? Class::unsure : Class::isolated;
    case Splitting::bytes: return Class::bytes;
    case Splitting::byte_level:
      return bits & kRegexSpace ? Class::gpt_space
             : bits & kLetter   ? Class::gpt_letter
             : bits & kNumber   ? Class::gpt_number
                                : Class::gpt_other;
    case Splitting::metaspace: return point == replacement_point_ ? Class::word_start : Class::letter;
  }
  return Class::letter;
}

// The token of a code point that makes one word, whatever stands beside it, and one token; -1 for any other.
int32_t Characters::whole_word(const std::u32string& form) const {
  if (model_ == nullptr) return -1;
  const char32_t* only = nullptr;
  for (const char32_t& unit : form) {
    if (classify(unit) == Class::separator) continue;
    if (only != nullptr) return -1;
    only = &unit;
  }
  if (only == nullptr) return -1;
  // One unit among separators, or one that is always alone.
  const Class own = classify(*only);
  const bool fenced = form.size() > 1 && classify(form.front()) == Class::separator &&
                      classify(form.back()) == Class::separator && own == Class::letter;
  if (!fenced && own != Class::isolated) return -1;
  std::string bytes;
  append_utf8(*only, bytes);
  return model_->whole_word(bytes.data(), static_cast<int64_t>(bytes.size()));
}

}  // namespace textcnn
