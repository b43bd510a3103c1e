#include "json.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "error.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

// Deeper nesting exists only in files that were made to break a reader.
constexpr int kDeepest = 200;
const Json kNull;
const std::vector<Json> kNoItems;
const std::vector<std::pair<std::string, Json>> kNoMembers;

}  // namespace

class JsonReader {
 public:
  JsonReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Json read() {
    Json value = read_value(0);
    skip_space();
    if (at_ != text_.size()) wrong("more text after the value");
    return value;
  }

 private:
  [[noreturn]] void wrong(const char* what) const {
    fail(std::string(name_) + " is not JSON: " + what + " at byte " + text_of(static_cast<int64_t>(at_)) + "; copy it again");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }

  bool take(char character) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != character) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Json read_value(int depth) {
    if (depth > kDeepest) wrong("too deep a nesting");
    skip_space();
    Json value;
    if (at_ >= text_.size()) wrong("no value");
    const char first = text_[at_];
    if (first == '{') {
      ++at_;
      value.kind_ = Json::Kind::object;
      if (take('}')) return value;
      do {
        skip_space();
        std::string key = read_string();
        if (!take(':')) wrong("no colon");
        value.members_.emplace_back(std::move(key), read_value(depth + 1));
      } while (take(','));
      if (!take('}')) wrong("no end of an object");
    } else if (first == '[') {
      ++at_;
      value.kind_ = Json::Kind::array;
      if (take(']')) return value;
      do value.items_.push_back(read_value(depth + 1));
      while (take(','));
      if (!take(']')) wrong("no end of an array");
    } else if (first == '"') {
      value.kind_ = Json::Kind::string;
      value.text_ = read_string();
    } else if (take_word("true")) {
      value.kind_ = Json::Kind::boolean;
      value.boolean_ = true;
    } else if (take_word("false")) {
      value.kind_ = Json::Kind::boolean;
    } else if (take_word("null")) {
    } else {
      value.kind_ = Json::Kind::number;
      value.number_ = read_number();
    }
    return value;
  }

  double read_number() {
    // Python also writes these two; a setting that must be finite is checked where it is used.
    if (take_word("NaN")) return NAN;
    if (take_word("Infinity")) return INFINITY;
    if (take_word("-Infinity")) return -INFINITY;
    double number = 0;
#if defined(__cpp_lib_to_chars)
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), number);
    if (code != std::errc()) wrong("no number");
    at_ = static_cast<size_t>(end - text_.data());
#else
    const std::string digits(text_.substr(at_, text_.substr(at_).find_first_not_of("+-.0123456789eE")));
    char* end = nullptr;
    number = std::strtod(digits.c_str(), &end);
    if (end == digits.c_str()) wrong("no number");
    at_ += static_cast<size_t>(end - digits.c_str());
#endif
    return number;
  }

  uint32_t read_hex() {
    if (at_ + 4 > text_.size()) wrong("half an escape");
    uint32_t number = 0;
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, number, 16);
    if (code != std::errc() || end != text_.data() + at_ + 4) wrong("a broken escape");
    at_ += 4;
    return number;
  }

  std::string read_string() {
    if (at_ >= text_.size() || text_[at_] != '"') wrong("no string");
    ++at_;
    std::string out;
    for (;;) {
      size_t end = at_;
      while (end < text_.size() && text_[end] != '"' && text_[end] != '\\') ++end;
      if (end >= text_.size()) wrong("no end of a string");
      out.append(text_, at_, end - at_);
      at_ = end + 1;
      if (text_[end] == '"') return out;
      if (at_ >= text_.size()) wrong("half an escape");
      switch (const char kind = text_[at_++]) {
        case 'n': out += '\n'; break;
        case 't': out += '\t'; break;
        case 'r': out += '\r'; break;
        case 'b': out += '\b'; break;
        case 'f': out += '\f'; break;
        case 'u': {
          uint32_t point = read_hex();
          if (point >= 0xD800 && point < 0xDC00 && take_word("\\u")) {
            const uint32_t low = read_hex();
            if (low < 0xDC00 || low >= 0xE000) wrong("half a surrogate pair");
            point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
          }
          append_utf8(point, out);
          break;
        }
        default:
          if (kind != '"' && kind != '\\' && kind != '/') wrong("an unknown escape");
          out += kind;
      }
    }
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
};

Json Json::parse(std::string_view text, std::string_view name) { return JsonReader(text, name).read(); }

void Json::wrong(const char* expected) const { fail(std::string("got a JSON value of another kind; expected ") + expected); }

const Json& Json::operator[](std::string_view key) const {
  // The last of equal keys counts, as in every other reader.
  for (auto member = members_.rbegin(); member != members_.rend(); ++member)
    if (member->first == key) return member->second;
  return kNull;
}

const std::vector<Json>& Json::items() const {
  if (kind_ == Kind::null) return kNoItems;
  if (kind_ != Kind::array) wrong("an array");
  return items_;
}

const std::vector<std::pair<std::string, Json>>& Json::members() const {
  if (kind_ == Kind::null) return kNoMembers;
  if (kind_ != Kind::object) wrong("an object");
  return members_;
}

const std::string& Json::text() const {
  if (kind_ != Kind::string) wrong("a string");
  return text_;
}

std::string Json::text_or(std::string_view fallback) const { return is_null() ? std::string(fallback) : text(); }

double Json::number() const {
  if (kind_ != Kind::number) wrong("a number");
  return number_;
}

double Json::number_or(double fallback) const { return is_null() ? fallback : number(); }

int64_t Json::integer() const {
  const double value = number();
  if (!(std::fabs(value) <= 9007199254740992.0) || value != std::floor(value)) wrong("a whole number");
  return static_cast<int64_t>(value);
}

int64_t Json::integer_or(int64_t fallback) const { return is_null() ? fallback : integer(); }

bool Json::boolean_or(bool fallback) const {
  if (kind_ == Kind::null) return fallback;
  if (kind_ != Kind::boolean) wrong("true or false");
  return boolean_;
}

}  // namespace textcnn
