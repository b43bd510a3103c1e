// GPT-2's regular expression as a loop (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"):
//     's|'t|'re|'ve|'m|'ll|'d| ?[letters]+| ?[numbers]+| ?[others]+|\s+(?!\S)|\s+
#include <algorithm>

#include "utf8.hpp"
#include "word_splitter.hpp"

namespace textcnn {
namespace {

// The plain form takes at least so many bytes, which the scan took or may have taken into account.
constexpr int64_t kLeastPlainBytes = 64;

// A text as characters: `starts` has the byte at which each begins, and one entry more.
struct CharacterView {
  const char* text;
  const int64_t* starts;
  const uint8_t* kinds;
  int64_t count;

  char first(int64_t i) const { return text[starts[i]]; }
  Class kind(int64_t i) const { return static_cast<Class>(kinds[i]); }

  // Characters of the contraction that begins at character i, an apostrophe; 0 for none.
  int64_t contraction(int64_t i) const {
    if (i + 1 >= count) return 0;
    const char one = first(i + 1);
    if (one == 's' || one == 't' || one == 'm' || one == 'd') return 2;
    if (i + 2 >= count) return 0;
    const char two = first(i + 2);
    return ((one == 'r' || one == 'v') && two == 'e') || (one == 'l' && two == 'l') ? 3 : 0;
  }

  // The character after the word that begins at character i.
  int64_t word_end(int64_t i) const {
    if (first(i) == '\'')
      if (const int64_t size = contraction(i)) return i + size;
    Class own = kind(i);
    if (own == Class::gpt_space) {
      if (first(i) == ' ' && i + 1 < count && kind(i + 1) != Class::gpt_space) {
        own = kind(++i);
      } else {
        // White space: all of it at the end of the text, else all but the last, which may belong to the next word.
        int64_t end = i + 1;
        while (end < count && kind(end) == Class::gpt_space) ++end;
        return end < count && end - i > 1 ? end - 1 : end;
      }
    }
    for (++i; i < count && kind(i) == own;) ++i;
    return i;
  }
};

}  // namespace

void ByteLevelSplitter::emit(const char* word, int64_t length, const int64_t* origins) {
  if (spans_ == nullptr) return append_word(*tokenizer_.model_, word, length, workspace_, out_);
  workspace_.tokens.clear();
  tokenizer_.model_->split(word, length, workspace_.tokens);
  int64_t begin = 0;
  for (size_t i = 0; i < workspace_.tokens.ids.size(); ++i) {
    const int64_t end = workspace_.tokens.ends[i];
    out_.add(workspace_.tokens.ids[i]);
    int64_t first = origins[begin], last = origins[end - 1] + 1;
    if (tokenizer_.trims_spans_) trim(word + begin, end - begin, first, last);
    spans_->begins.push_back(first);
    spans_->ends.push_back(last);
    begin = end;
  }
}

// The post-processor of byte-level tokenizers leaves the spaces of a token out of its place, but for the one that it takes
// for its own at the beginning of a text.
void ByteLevelSplitter::trim(const char* token, int64_t length, int64_t& first, int64_t& last) const {
  int64_t leading = 0, trailing = 0;
  while (leading < length && token[leading] == ' ') ++leading;
  while (trailing < length && token[length - 1 - trailing] == ' ') ++trailing;
  if (leading > 0 && first == 0 && tokenizer_.trims_prefix_space_) --leading;
  first = std::min(first + leading, last);
  if (last >= trailing) last = std::max(last - trailing, first);
}

bool ByteLevelSplitter::split(const SplitText& source) {
  bool prefixed = tokenizer_.add_prefix_space_;
  if (!tokenizer_.ascii_.usable || spans_ != nullptr) return split_characters(source, prefixed);
  SplitText part{source.text, source.begin, source.end, 0};
  if (prefixed && part.begin < part.end && static_cast<uint8_t>(part.text[part.begin]) < 128) {
    prefixed = false;
    if (part.text[part.begin] != ' ') {
      std::string& own = workspace_.prefixed;
      own = ' ';
      own.append(part.text + part.begin, static_cast<size_t>(part.end - part.begin));
      part = {own.data(), 0, static_cast<int64_t>(own.size()), 0};
    }
  }
  const int64_t end = part.end;
  while (part.begin < end) {
    // A prefix that may be needed is for the plain form to add.
    if (!prefixed)
      part.begin = scan_ascii_words(tokenizer_.ascii_, *tokenizer_.model_, part.text, part.begin, end, workspace_, out_);
    if (part.begin == end) break;
    // It met other characters, or a word longer than it takes: the plain form, to the next place that surely begins a word.
    const std::string_view whole(part.text, static_cast<size_t>(end));
    part.end = tokenizer_.place_to_cut(whole, std::min(end, part.begin + kLeastPlainBytes));
    if (!split_characters(part, prefixed)) return false;
    prefixed = false;
    part.begin = part.end;
  }
  return true;
}

bool ByteLevelSplitter::split_characters(const SplitText& source, bool prefixed) {
  std::string& text = workspace_.text;
  std::vector<uint8_t>& kinds = workspace_.kinds;
  std::vector<int64_t>&starts = workspace_.starts, &origins = workspace_.unit_origins;
  text.clear();
  kinds.clear();
  starts.clear();
  origins.clear();
  int64_t character = source.first_character - 1;
  bool first = true;
  for (int64_t at = source.begin; at < source.end;) {
    const uint32_t point = decode_utf8(source.text, at, source.end);
    ++character;
    const int64_t origin = source.origins ? source.origins[character] : character;
    const CharacterBlock& block = characters_.block(point);
    const uint8_t* unit = block.pool.data() + block.records[point & (kBlockSize - 1)];
    const uint8_t flags = *unit++;
    if (flags & kMovable) return false;
    for (int units = flags & kUnits; units > 0; --units) {
      if (first && prefixed && unit[2] != ' ') {
        text += ' ';
        kinds.push_back(static_cast<uint8_t>(Class::gpt_space));
        starts.push_back(0);
        origins.push_back(origin);
      }
      first = false;
      kinds.push_back(unit[0]);
      starts.push_back(static_cast<int64_t>(text.size()));
      text.append(reinterpret_cast<const char*>(unit + 2), unit[1]);
      if (spans_ != nullptr) origins.resize(text.size(), origin);
      unit += 2 + unit[1];
    }
  }
  const auto count = static_cast<int64_t>(kinds.size());
  starts.push_back(static_cast<int64_t>(text.size()));
  const CharacterView characters{text.data(), starts.data(), kinds.data(), count};
  for (int64_t i = 0; i < count;) {
    const int64_t end = characters.word_end(i);
    emit(text.data() + starts[static_cast<size_t>(i)], starts[static_cast<size_t>(end)] - starts[static_cast<size_t>(i)],
         spans_ == nullptr ? nullptr : origins.data() + starts[static_cast<size_t>(i)]);
    i = end;
  }
  return true;
}

}  // namespace textcnn
