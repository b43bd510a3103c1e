#include "normalizer.hpp"

#include <algorithm>

#include "unicode.hpp"

namespace textcnn {
namespace {

using namespace unicode;

bool has(uint32_t point, uint32_t property) { return (properties(point) & property) != 0; }

void collapse(OriginText& text) {
  OriginText out;
  const size_t count = text.points.size();
  for (size_t i = 0; i < count; ++i) {
    const bool space = has(text.points[i], kRegexSpace);
    // A run of white space becomes one space, which stands where the run ends.
    if (space && i + 1 < count && has(text.points[i + 1], kRegexSpace)) continue;
    out.points += space ? U' ' : text.points[i];
    out.origins.push_back(text.origins[i]);
  }
  size_t begin = 0, end = out.points.size();
  while (begin < end && has(out.points[begin], kStripped)) ++begin;
  while (end > begin && has(out.points[end - 1], kStripped)) --end;
  text.points = out.points.substr(begin, end - begin);
  text.origins.assign(out.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                      out.origins.begin() + static_cast<std::ptrdiff_t>(end));
}

}  // namespace

Normalizer::Normalizer(const Json& part) {
  if (part.is_null()) return;
  std::vector<const Json*> steps;
  if (part["type"].text() == "Sequence")
    for (const Json& step : part["normalizers"].items()) steps.push_back(&step);
  else
    steps.push_back(&part);
  size_t first = 0;
  if (steps.size() >= 2 && (*steps[0])["type"].text() == "Replace" && (*steps[1])["type"].text() == "Strip") {
    const Json &replace = *steps[0], &strip = *steps[1];
    if (replace["pattern"]["Regex"].text_or("") != "\\s+" || replace["content"].text_or("") != " ")
      throw NotCompiled{"its normalizer replaces something other than white space"};
    if (!strip["strip_left"].boolean_or(true) || !strip["strip_right"].boolean_or(true))
      throw NotCompiled{"its normalizer strips one side only"};
    collapses_ = true;
    first = 2;
  }
  for (size_t i = first; i < steps.size(); ++i) add_step(*steps[i]);
}

void Normalizer::add_step(const Json& step) {
  const std::string& type = step["type"].text();
  if (type == "BertNormalizer") {
    const bool lowercase = step["lowercase"].boolean_or(true);
    if (step["clean_text"].boolean_or(true)) steps_.push_back(Kind::clean);
    if (step["handle_chinese_chars"].boolean_or(true)) steps_.push_back(Kind::chinese);
    if (step["strip_accents"].boolean_or(lowercase)) {
      steps_.push_back(Kind::decompose);
      steps_.push_back(Kind::strip_nonspacing);
    }
    if (lowercase) steps_.push_back(Kind::lowercase);
  } else if (type == "NFD") {
    steps_.push_back(Kind::decompose);
  } else if (type == "Lowercase") {
    steps_.push_back(Kind::lowercase);
  } else if (type == "StripAccents") {
    steps_.push_back(Kind::strip_marks);
  } else {
    throw NotCompiled{"its normalizer has a " + type + " step"};
  }
}

bool Normalizer::lowercases_only() const { return !collapses_ && steps_ == std::vector<Kind>{Kind::lowercase}; }

bool Normalizer::sorts_marks() const { return std::count(steps_.begin(), steps_.end(), Kind::decompose) > 0; }

void Normalizer::apply_step(Kind kind, OriginText& text) {
  OriginText out;
  out.points.reserve(text.points.size());
  std::vector<uint8_t> is_first;  // of the code points that one became
  std::u32string form;
  for (size_t i = 0; i < text.points.size(); ++i) {
    const uint32_t point = text.points[i];
    form.clear();
    switch (kind) {
      case Kind::clean:
        if (has(point, kControl)) break;
        form += has(point, kBertSpace) ? U' ' : static_cast<char32_t>(point);
        break;
      case Kind::chinese:
        if (has(point, kChinese))
          form += {U' ', static_cast<char32_t>(point), U' '};
        else
          form += static_cast<char32_t>(point);
        break;
      case Kind::decompose: append_decomposition(point, form); break;
      case Kind::strip_marks:
        if (!has(point, kMark)) form += static_cast<char32_t>(point);
        break;
      case Kind::strip_nonspacing:
        if (!has(point, kNonspacing)) form += static_cast<char32_t>(point);
        break;
      case Kind::lowercase: append_lowercase(point, form); break;
    }
    out.points += form;
    out.origins.insert(out.origins.end(), form.size(), text.origins[i]);
    if (kind == Kind::decompose)
      for (size_t k = 0; k < form.size(); ++k) is_first.push_back(k == 0);
  }
  if (kind == Kind::decompose) {
    order_marks(out.points, is_first);
    // The library counts originals as it goes, so that sorted marks stand for one another.
    for (size_t i = 0, next = 0; i < out.points.size(); ++i) {
      if (is_first[i]) ++next;
      out.origins[i] = text.origins[next == 0 ? 0 : next - 1];
    }
  }
  text = std::move(out);
}

std::u32string Normalizer::of_point(uint32_t point) const {
  OriginText text{std::u32string(1, static_cast<char32_t>(point)), {0}};
  for (const Kind kind : steps_) apply_step(kind, text);
  return text.points;
}

void Normalizer::apply(OriginText& text) const {
  if (collapses_) collapse(text);
  for (const Kind kind : steps_) apply_step(kind, text);
}

}  // namespace textcnn
