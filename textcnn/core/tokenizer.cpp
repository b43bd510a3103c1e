#include "tokenizer.hpp"

#include <algorithm>

#include "error.hpp"
#include "utf8.hpp"
#include "word_splitter.hpp"

namespace textcnn {
namespace {

// Words that a workspace remembers, and the bytes that long ones may take.
constexpr int64_t kRememberedWords = 1 << 16, kRememberedBytes = 1 << 23;

}  // namespace

Workspace::Workspace() : memory(kRememberedWords, kRememberedBytes), word(256) {}

void Tokenizer::encode(std::string_view text, Workspace& workspace, Ids& out, Spans* spans) const {
  const int64_t first = out.count;
  const size_t first_span = spans == nullptr ? 0 : spans->begins.size();
  const auto add_around = [&](const std::vector<int32_t>& ids) {
    for (const int32_t id : ids) {
      out.add(id);
      if (spans == nullptr) continue;
      spans->begins.push_back(0);
      spans->ends.push_back(0);
    }
  };
  add_around(prefix_);
  const auto size = static_cast<int64_t>(text.size());
  if (!added_.may_hold(text.data(), 0, size)) {
    encode_part(text, 0, size, 0, workspace, out, spans);
  } else {
    int64_t character = 0;
    for (const TextPart& part : added_.cut(text.data(), 0, size)) {
      int64_t characters = 0;
      if (spans != nullptr)
        for (int64_t i = part.begin; i < part.end; ++i) characters += (static_cast<uint8_t>(text[static_cast<size_t>(i)]) & 0xC0) != 0x80;
      if (part.id < 0) {
        encode_part(text, part.begin, part.end, character, workspace, out, spans);
      } else {
        out.add(part.id);
        if (spans != nullptr) {
          spans->begins.push_back(character);
          spans->ends.push_back(character + characters);
        }
      }
      character += characters;
    }
  }
  const int64_t most = first + static_cast<int64_t>(prefix_.size()) + limit_;
  if (limit_ >= 0 && out.count > most) {
    out.count = most;
    if (spans != nullptr) {
      const size_t kept = first_span + static_cast<size_t>(most - first);
      spans->begins.resize(kept);
      spans->ends.resize(kept);
    }
  }
  add_around(suffix_);
}

// A place from `from` on at which a text without added tokens can be cut: a single space between two words begins the
// second or neither; where every character is a word, between two letters. The end of the text if there is none.
int64_t Tokenizer::place_to_cut(std::string_view text, int64_t from) const {
  const auto size = static_cast<int64_t>(text.size());
  const bool letters = splitting_ == Splitting::characters || splitting_ == Splitting::bytes;
  const auto plain = [&](int64_t at) {
    const char byte = text[static_cast<size_t>(at)];
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
  };
  for (int64_t at = std::max<int64_t>(1, from); at + 1 < size; ++at)
    if (plain(at - 1) && (letters ? plain(at) : text[static_cast<size_t>(at)] == ' ' && plain(at + 1))) return at;
  return size;
}

void Tokenizer::encode_part(std::string_view text, int64_t begin, int64_t end, int64_t first_character,
                            Workspace& workspace, Ids& out, Spans* spans) const {
  const int64_t count = out.count;
  const size_t span_count = spans == nullptr ? 0 : spans->begins.size();
  const auto run = [&](const Characters& characters, const SplitText& source) {
    if (splitting_ == Splitting::byte_level) return ByteLevelSplitter(*this, characters, workspace, out, spans).split(source);
    return WordSplitter(*this, characters, workspace, out, spans).split(source, begin == 0);
  };
  if (run(characters_, {text.data(), begin, end, first_character})) return;
  // Marks have to be sorted, or white space is unsure: the plain form of the normalizer first, then words of its result.
  out.count = count;
  if (spans != nullptr) {
    spans->begins.resize(span_count);
    spans->ends.resize(span_count);
  }
  OriginText whole{utf8_points(text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin))), {}};
  whole.origins.resize(whole.points.size());
  for (size_t i = 0; i < whole.origins.size(); ++i) whole.origins[i] = first_character + static_cast<int64_t>(i);
  normalizer_.apply(whole);
  std::string normalized;
  for (const char32_t point : whole.points) append_utf8(point, normalized);
  run(normalized_characters_, {normalized.data(), 0, static_cast<int64_t>(normalized.size()), 0, whole.origins.data()});
}

}  // namespace textcnn
