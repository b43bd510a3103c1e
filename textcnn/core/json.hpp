// A small JSON reader for config.json, tokenizer.json and the header of a safetensors file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace textcnn {

class Json {
 public:
  enum class Kind { null, boolean, number, string, array, object };

  // Reads a whole text; throws Error where it is not JSON. `name` is what messages call it.
  static Json parse(std::string_view text, std::string_view name);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::null; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_array() const { return kind_ == Kind::array; }
  bool is_object() const { return kind_ == Kind::object; }

  // The value of a key, or null.
  const Json& operator[](std::string_view key) const;
  const std::vector<Json>& items() const;
  const std::vector<std::pair<std::string, Json>>& members() const;

  // The value itself; the fallback where it is null; Error where it is of another kind.
  const std::string& text() const;
  std::string text_or(std::string_view fallback) const;
  double number() const;
  double number_or(double fallback) const;
  int64_t integer() const;
  int64_t integer_or(int64_t fallback) const;
  bool boolean_or(bool fallback) const;

  bool operator==(const Json&) const = default;

 private:
  friend class JsonReader;
  [[noreturn]] void wrong(const char* expected) const;

  Kind kind_ = Kind::null;
  bool boolean_ = false;
  double number_ = 0;
  std::string text_;
  std::vector<Json> items_;
  std::vector<std::pair<std::string, Json>> members_;
};

}  // namespace textcnn
