// What a tokenizer makes of each code point: its normalised form, cut into units with a class each.
//
// Records are made in blocks, when a text first needs one. A block is published by one atomic exchange, so that any
// number of threads may read and make blocks at once, and a fork loses none.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "normalizer.hpp"
#include "word_model.hpp"

namespace textcnn {

// How a unit joins its neighbours to words.
enum class Class : uint8_t {
  letter,      // goes on with the present word
  separator,   // ends the word and is dropped
  isolated,    // a word of its own
  space_run,   // a run of these between two words is the one word " "
  bytes,       // each byte is a word of its own
  symbol,      // goes on with the present word if that is one of symbols
  word_start,  // begins a new word
  unsure,      // depends on its neighbours in a way that only the plain form gives
  gpt_letter,  // the classes of GPT-2's regular expression
  gpt_number,
  gpt_space,
  gpt_other,
};

// How a tokenizer cuts a text into words.
enum class Splitting { bert, white_space, words, characters, bytes, byte_level, metaspace };

constexpr uint32_t kBlockBits = 9, kBlockSize = 1 << kBlockBits, kBlocks = 0x110000 >> kBlockBits;

// Flags of a record, in its first byte: its marks may change places with those of its neighbours; number of units.
constexpr uint8_t kMovable = 0x80, kUnits = 0x7F;

struct CharacterBlock {
  // Where the record of each code point lies in the pool; ~id for one that is a word of its own and one token. A record
  // is the number of units with the flags, then for each unit its class, its length and its UTF-8 bytes.
  std::array<int32_t, kBlockSize> records;
  std::vector<uint8_t> pool;
};

class Characters {
 public:
  Characters() = default;
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;
  ~Characters();

  // `normalizer` is null for text that is normalised already. `model` gives the tokens of single characters, or is null.
  void open(Splitting splitting, const Normalizer* normalizer, std::string replacement, const WordModel* model);

  const CharacterBlock& block(uint32_t point) const {
    const CharacterBlock* block = blocks_[point >> kBlockBits].load(std::memory_order_acquire);
    return block != nullptr ? *block : make(point >> kBlockBits);
  }

 private:
  const CharacterBlock& make(uint32_t number) const;
  Class classify(uint32_t point) const;
  int32_t whole_word(const std::u32string& form) const;

  Splitting splitting_ = Splitting::bert;
  const Normalizer* normalizer_ = nullptr;
  const WordModel* model_ = nullptr;
  std::string replacement_;  // what Metaspace puts in place of a space
  uint32_t replacement_point_ = 0;
  mutable std::array<std::atomic<const CharacterBlock*>, kBlocks> blocks_{};
};

}  // namespace textcnn
