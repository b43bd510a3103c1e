// The normalizers that are compiled: functions of one code point at a time, but for the order of marks and for white
// space that is collapsed. `apply` is the plain form of all of them: tables of characters are made with it, and texts
// that the tables cannot give go through it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.hpp"

namespace textcnn {

// Thrown with the reason where the tables cannot give exactly what a tokenizer.json says.
struct NotCompiled {
  std::string reason;
};

// Text as code points, each with the number of the character that it comes from.
struct OriginText {
  std::u32string points;
  std::vector<int64_t> origins;
};

class Normalizer {
 public:
  Normalizer() = default;
  // Reads the normalizer of a tokenizer.json; throws NotCompiled where a step is not known.
  explicit Normalizer(const Json& part);

  bool is_empty() const { return steps_.empty() && !collapses_; }
  bool lowercases_only() const;
  bool sorts_marks() const;
  bool collapses_space() const { return collapses_; }

  // What one code point becomes, white space that is collapsed aside.
  std::u32string of_point(uint32_t point) const;
  // What a text becomes.
  void apply(OriginText& text) const;

 private:
  enum class Kind { clean, chinese, decompose, strip_marks, strip_nonspacing, lowercase };
  void add_step(const Json& step);
  static void apply_step(Kind kind, OriginText& text);

  std::vector<Kind> steps_;
  bool collapses_ = false;
};

}  // namespace textcnn
