// Reads a safetensors file (https://github.com/huggingface/safetensors#format): the length of a JSON header, the header,
// the tensors. Nothing is believed: every offset and size is checked against the bytes that are there.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace textcnn {

// The bytes of a file, mapped into memory where the system can, else read.
class FileBytes {
 public:
  explicit FileBytes(const std::string& path);
  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  std::string_view bytes() const { return {data_, size_}; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
  [[maybe_unused]] bool is_mapped_ = false;
  std::vector<char> read_;
};

struct Tensor {
  std::string type;  // F32, F16, I8, I32, I64
  std::vector<int64_t> shape;
  const char* data = nullptr;
  size_t size = 0;  // bytes

  int64_t count() const;
  std::string_view bytes() const { return {data, size}; }
  // A copy of its numbers, whose type is that of the tensor: tensors stand back to back, wherever that is.
  template <class Number>
  std::vector<Number> values() const {
    std::vector<Number> numbers(size / sizeof(Number));
    if (!numbers.empty()) std::memcpy(numbers.data(), data, numbers.size() * sizeof(Number));
    return numbers;
  }
};

class SafeTensors {
 public:
  // `bytes` must stay as they are; `name` is what messages call them.
  SafeTensors(std::string_view bytes, const std::string& name);

  bool has(const std::string& tensor) const { return tensors_.contains(tensor); }
  // The type of a tensor; Error where there is none.
  const std::string& type(const std::string& tensor) const;
  // A tensor of this type and number of dimensions; Error for any other.
  const Tensor& get(const std::string& tensor, std::string_view type, size_t dimensions) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::string name_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace textcnn
