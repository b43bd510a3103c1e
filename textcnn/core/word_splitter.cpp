#include "word_splitter.hpp"

#include "ascii_scan.hpp"
#include "kernels.hpp"
#include "utf8.hpp"

namespace textcnn {

void append_word(const WordModel& model, const char* word, int64_t length, Workspace& workspace, Ids& out) {
  const WordKey key = word_key(word, length);
  const WordSlot* slot = workspace.memory.find(word, length, key);
  const int32_t* ids;
  int64_t count;
  if (slot != nullptr) {
    ids = workspace.memory.ids(*slot);
    count = slot->count;
  } else {
    workspace.tokens.clear();
    model.split(word, length, workspace.tokens);
    ids = workspace.tokens.ids.data();
    count = static_cast<int64_t>(workspace.tokens.ids.size());
    workspace.memory.insert(word, length, key, ids, count);
  }
  out.reserve(count);
  for (int64_t i = 0; i < count; ++i) out.values[static_cast<size_t>(out.count++)] = ids[i];
}

void WordSplitter::append(const uint8_t* bytes, int64_t size, int64_t origin) {
  std::vector<char>& word = workspace_.word;
  if (length_ + size > static_cast<int64_t>(word.size())) word.resize(static_cast<size_t>(2 * (length_ + size)));
  std::memcpy(word.data() + length_, bytes, static_cast<size_t>(size));
  if (spans_ != nullptr) {
    workspace_.origins.resize(static_cast<size_t>(length_));
    workspace_.origins.insert(workspace_.origins.end(), static_cast<size_t>(size), origin);
  }
  length_ += size;
}

void WordSplitter::emit() {
  if (length_ > 0) add_tokens(workspace_.word.data(), length_);
  length_ = 0;
}

void WordSplitter::add_tokens(const char* word, int64_t length) {
  if (spans_ == nullptr) return append_word(*tokenizer_.model_, word, length, workspace_, out_);
  workspace_.tokens.clear();
  tokenizer_.model_->split(word, length, workspace_.tokens);
  int64_t begin = 0, before = 0;
  for (size_t i = 0; i < workspace_.tokens.ids.size(); ++i) {
    const int64_t end = workspace_.tokens.ends[i];
    // Bytes of one unknown character share its place.
    if (end > before) begin = before;
    out_.add(workspace_.tokens.ids[i]);
    spans_->begins.push_back(workspace_.origins[static_cast<size_t>(begin)]);
    spans_->ends.push_back(workspace_.origins[static_cast<size_t>(end - 1)] + 1);
    before = end;
  }
}

// Metaspace: a text begins as if it followed a space, unless it does.
void WordSplitter::begin_word(const SplitText& source) {
  const std::string_view text(source.text + source.begin, static_cast<size_t>(source.end - source.begin));
  if (text.empty() || text[0] == ' ' || text.starts_with(tokenizer_.replacement_)) return;
  append(reinterpret_cast<const uint8_t*>(tokenizer_.replacement_.data()),
         static_cast<int64_t>(tokenizer_.replacement_.size()), source.origins ? source.origins[0] : source.first_character);
}

int64_t scan_ascii_words(const AsciiTables& tables, const WordModel& model, const char* text, int64_t at, int64_t end,
                         Workspace& workspace, Ids& out) {
  AsciiScan scan{&tables, &workspace.memory, text, at, end, nullptr, 0, 0};
  const auto& run = kernels().scan_ascii;
  for (;;) {
    out.reserve(end - scan.at + kMostMemoryIds + 8);
    scan.out = out.values.data();
    scan.count = out.count;
    const ScanStop stop = run(scan);
    out.count = scan.count;
    if (stop != ScanStop::miss) return scan.at;
    char word[64];
    for (int64_t i = 0; i < scan.size; ++i) {
      const char byte = text[scan.at + i];
      word[i] = tables.lowers && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
    }
    append_word(model, word, scan.size, workspace, out);
    scan.at += scan.size;
  }
}

bool WordSplitter::split(const SplitText& source, bool begins_text) {
  length_ = 0;
  Class joins = Class::letter;  // the class that goes on with the present word, or isolated for none
  bool space_pending = false, any_word = false;
  int64_t at = source.begin, character = source.first_character - 1, origin = character;
  int64_t space_origin = 0;
  if (tokenizer_.prepends_ && (begins_text || !tokenizer_.prepends_first_only_)) begin_word(source);
  const bool scans = tokenizer_.ascii_.usable && spans_ == nullptr;
  while (at < source.end) {
    const auto byte = static_cast<uint8_t>(source.text[at]);
    if (scans && length_ == 0 && joins != Class::symbol && tokenizer_.ascii_.knows(byte)) {
      const int64_t reached =
          scan_ascii_words(tokenizer_.ascii_, *tokenizer_.model_, source.text, at, source.end, workspace_, out_);
      if (reached > at) {
        at = reached;
        joins = Class::letter;
        continue;
      }
    }
    const uint32_t point = decode_utf8(source.text, at, source.end);
    ++character;
    origin = source.origins ? source.origins[character] : character;
    const CharacterBlock& block = characters_.block(point);
    const int32_t record = block.records[point & (kBlockSize - 1)];
    if (record < 0) {
      emit();
      out_.add(~record);
      if (spans_ != nullptr) {
        spans_->begins.push_back(origin);
        spans_->ends.push_back(origin + 1);
      }
      joins = Class::letter;
      continue;
    }
    const uint8_t* unit = block.pool.data() + record;
    const uint8_t flags = *unit++;
    if (flags & kMovable) return false;
    for (int units = flags & kUnits; units > 0; --units) {
      const Class kind = static_cast<Class>(unit[0]);
      const int64_t size = unit[1];
      const uint8_t* bytes = unit + 2;
      unit = bytes + size;
      if (kind == Class::unsure) return false;
      if (kind == Class::bytes) {
        for (int64_t i = 0; i < size; ++i) {
          emit();
          append(bytes + i, 1, origin);
        }
        continue;
      }
      if (!((kind == Class::letter || kind == Class::symbol) && kind == joins)) {
        any_word |= length_ > 0;
        emit();
      }
      if (kind == Class::separator) {
        joins = Class::letter;
        continue;
      }
      if (kind == Class::space_run) {
        space_origin = origin;  // of the last of a run, as the library has it
        space_pending = any_word;
        continue;
      }
      joins = kind == Class::word_start ? Class::letter : kind;
      if (space_pending) {
        space_pending = false;
        append(reinterpret_cast<const uint8_t*>(" "), 1, space_origin);
        emit();
      }
      append(bytes, size, origin);
    }
  }
  emit();
  return true;
}

}  // namespace textcnn
