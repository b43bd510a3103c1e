// Reads a tokenizer.json: which splitting, normalizer and model it has, and whether the tables can give it exactly.
#include <algorithm>

#include "error.hpp"
#include "tokenizer.hpp"
#include "unicode.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

// The part itself, or the one step of a sequence of one.
const Json& only_step(const Json& part, const char* steps) {
  if (part["type"].text_or("") == "Sequence" && part[steps].items().size() == 1) return only_step(part[steps].items()[0], steps);
  return part;
}

int64_t largest_id(const Json& model) {
  int64_t largest = -1;
  if (model["vocab"].is_array()) return static_cast<int64_t>(model["vocab"].items().size()) - 1;
  for (const auto& [name, id] : model["vocab"].members()) largest = std::max(largest, id.integer());
  return largest;
}

// Whether each byte of a text is a token whatever stands beside it.
bool has_single_bytes(const Json& model) {
  return model["type"].text() == "BPE" && model["merges"].items().empty() && !model["ignore_merges"].boolean_or(false) &&
         !model["fuse_unk"].boolean_or(false) && model["continuing_subword_prefix"].text_or("").empty() &&
         model["end_of_word_suffix"].text_or("").empty();
}

}  // namespace

Tokenizer::Tokenizer(std::string_view json) {
  const Json content = Json::parse(json, "tokenizer.json");
  const Json& model = content["model"];
  if (!model.is_object()) fail("tokenizer.json has no model; copy it again");
  normalizer_ = Normalizer(content["normalizer"]);
  read_splitting(only_step(content["pre_tokenizer"], "pretokenizers"));
  const bool byte_level = splitting_ == Splitting::byte_level || splitting_ == Splitting::bytes;
  if (splitting_ == Splitting::bytes && (add_prefix_space_ || !has_single_bytes(model)))
    throw NotCompiled{"its words are whole texts"};
  model_ = WordModel::read(model, byte_level);
  added_.open(content["added_tokens"], !normalizer_.is_empty());
  vocab_size_ = 1 + std::max<int64_t>(largest_id(model), added_.largest_id());
  read_post_processor(content["post_processor"]);
  read_truncation(content["truncation"]);
  for (const std::vector<int32_t>* ids : {&prefix_, &suffix_})
    for (const int32_t id : *ids) vocab_size_ = std::max<int64_t>(vocab_size_, id + 1);
  // White space that is a token stands between two words, so that a word has to be seen as one.
  const bool alone = splitting_ != Splitting::byte_level && !normalizer_.collapses_space();
  characters_.open(splitting_, &normalizer_, replacement_, alone ? model_.get() : nullptr);
  normalized_characters_.open(splitting_, nullptr, replacement_, alone ? model_.get() : nullptr);
  make_ascii_tables();
}

void Tokenizer::read_splitting(const Json& part) {
  const std::string type = part["type"].text_or("missing");
  if (normalizer_.collapses_space() && type != "Split") throw NotCompiled{"its normalizer collapses white space"};
  if (type == "BertPreTokenizer") {
    splitting_ = Splitting::bert;
  } else if (type == "WhitespaceSplit") {
    splitting_ = Splitting::white_space;
  } else if (type == "Whitespace") {
    splitting_ = Splitting::words;
  } else if (type == "Split" && part["pattern"]["Regex"].text_or("") == "[\\s\\S]") {
    if (part["behavior"].text_or("") != "Isolated" || part["invert"].boolean_or(false))
      throw NotCompiled{"its Split does not isolate single characters"};
    splitting_ = Splitting::characters;
  } else if (type == "ByteLevel") {
    splitting_ = part["use_regex"].boolean_or(true) ? Splitting::byte_level : Splitting::bytes;
    add_prefix_space_ = part["add_prefix_space"].boolean_or(true);
  } else if (type == "Metaspace") {
    if (!part["split"].boolean_or(true)) throw NotCompiled{"its words are whole texts"};
    if (!normalizer_.is_empty() && !normalizer_.lowercases_only())
      throw NotCompiled{"its normalizer has other steps than Lowercase before Metaspace"};
    splitting_ = Splitting::metaspace;
    replacement_ = part["replacement"].text_or("\u2581");
    if (utf8_points(replacement_).size() != 1) throw NotCompiled{"its Metaspace replaces a space by several characters"};
    const std::string scheme = part["prepend_scheme"].text_or("always");
    prepends_ = scheme != "never";
    prepends_first_only_ = scheme == "first";
  } else {
    throw NotCompiled{"its pre-tokenizer is " + type};
  }
}

void Tokenizer::read_post_processor(const Json& part) {
  if (part.is_null()) return;
  const std::string& type = part["type"].text();
  const auto id_of = [](const Json& pair) { return static_cast<int32_t>(pair.items().at(1).integer()); };
  if (type == "Sequence") {
    for (const Json& step : part["processors"].items()) read_post_processor(step);
  } else if (type == "ByteLevel") {
    trims_spans_ = part["trim_offsets"].boolean_or(true);
    trims_prefix_space_ = part["add_prefix_space"].boolean_or(true);
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    if (part["cls"].items().size() != 2 || part["sep"].items().size() != 2) fail("tokenizer.json: broken post-processor; copy it again");
    prefix_.insert(prefix_.begin(), id_of(part["cls"]));
    suffix_.push_back(id_of(part["sep"]));
    if (type == "RobertaProcessing") {
      trims_spans_ = part["trim_offsets"].boolean_or(true);
      trims_prefix_space_ = part["add_prefix_space"].boolean_or(true);
    }
  } else if (type == "TemplateProcessing") {
    bool before = true;
    std::vector<int32_t> first;
    for (const Json& piece : part["single"].items()) {
      if (piece["Sequence"].is_object()) {
        if (!before) throw NotCompiled{"its post-processor does more than add tokens at the ends"};
        before = false;
        continue;
      }
      const std::string& name = piece["SpecialToken"]["id"].text();
      for (const Json& id : part["special_tokens"][name]["ids"].items())
        (before ? first : suffix_).push_back(static_cast<int32_t>(id.integer()));
    }
    if (before) throw NotCompiled{"its post-processor leaves the text out"};
    prefix_.insert(prefix_.begin(), first.begin(), first.end());
  } else {
    throw NotCompiled{"its post-processor is " + type};
  }
  for (const std::vector<int32_t>* ids : {&prefix_, &suffix_})
    for (const int32_t id : *ids)
      if (id < 0) fail("tokenizer.json: got a negative token id in the post-processor; copy it again");
}

void Tokenizer::read_truncation(const Json& part) {
  if (part.is_null()) return;
  limit_ = part["max_length"].integer() - added_ids();
  if (part["direction"].text_or("Right") != "Right" || part["strategy"].text_or("LongestFirst") == "OnlySecond" || limit_ < 1)
    throw NotCompiled{"it truncates in an unusual way"};
}

// The ASCII characters that the fast scan knows: letters as they are or lower-cased, separators, and words of one
// character. All others end the scan.
void Tokenizer::make_ascii_tables() {
  const CharacterBlock& block = characters_.block(0);
  // Class and byte of a character that is one unit of one byte; -1 for any other.
  const auto unit_of = [&](int byte) -> std::pair<int, int> {
    const int32_t record = block.records[static_cast<size_t>(byte)];
    if (record < 0) return {static_cast<int>(Class::isolated), byte};
    const uint8_t* unit = block.pool.data() + record;
    return unit[0] == 1 && unit[2] == 1 ? std::pair<int, int>{unit[1], unit[3]} : std::pair<int, int>{-1, -1};
  };
  int lowered = 0, kept = 0, unlike = 0;
  for (int byte = 'A'; byte <= 'Z'; ++byte) (unit_of(byte).second == (byte | 0x20) ? lowered : kept) += 1;
  ascii_.lowers = lowered == 26;
  for (int byte = 0; byte < 128; ++byte) {
    const auto unit = unit_of(byte);
    const int kind = unit.first, own = unit.second;
    const bool capital = byte >= 'A' && byte <= 'Z';
    if (own != (ascii_.lowers && capital ? byte | 0x20 : byte) && kind != static_cast<int>(Class::separator)) {
      ++unlike;
      continue;
    }
    const auto bit = static_cast<uint8_t>(1 << (byte >> 4));
    const auto low = static_cast<size_t>(byte & 15);
    const auto is = [kind](Class words, Class byte_level) {
      return kind == static_cast<int>(words) || kind == static_cast<int>(byte_level);
    };
    if (is(Class::letter, Class::gpt_letter)) ascii_.letter[low] |= bit;
    if (is(Class::separator, Class::gpt_space)) ascii_.separator[low] |= bit;
    if (block.records[static_cast<size_t>(byte)] < 0 || is(Class::gpt_number, Class::gpt_number)) ascii_.isolated[low] |= bit;
    if (is(Class::gpt_other, Class::gpt_other)) ascii_.known[low] |= bit;
  }
  for (size_t low = 0; low < 16; ++low) ascii_.known[low] |= ascii_.letter[low] | ascii_.separator[low] | ascii_.isolated[low];
  ascii_.byte_level = splitting_ == Splitting::byte_level;
  // White space counts in byte-level words, so that every character must be one byte.
  ascii_.usable = ascii_.byte_level ? unlike == 0 : splitting_ == Splitting::bert ||
                  splitting_ == Splitting::white_space || splitting_ == Splitting::words;
}

}  // namespace textcnn
