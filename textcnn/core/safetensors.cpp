#include "safetensors.hpp"

#include <cstdio>
#include <cstring>

#include "error.hpp"
#include "json.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define TEXTCNN_MAPS_FILES 1
#endif

namespace textcnn {

#if defined(__wasm__)
FileBytes::FileBytes(const std::string& path) { fail(path + " cannot be opened: a browser has no files"); }
#else
FileBytes::FileBytes(const std::string& path) {
#ifdef TEXTCNN_MAPS_FILES
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || ::fstat(file, &status) != 0) {
    if (file >= 0) ::close(file);
    fail(path + " cannot be opened; expected a folded textcnn artifact");
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped != MAP_FAILED) {
      data_ = static_cast<const char*>(mapped);
      is_mapped_ = true;
    }
  }
  ::close(file);
  if (is_mapped_ || size_ == 0) return;
#endif
  std::FILE* stream = std::fopen(path.c_str(), "rb");
  if (stream == nullptr) fail(path + " cannot be opened; expected a folded textcnn artifact");
  char part[1 << 16];
  for (size_t count; (count = std::fread(part, 1, sizeof part, stream)) > 0;) read_.insert(read_.end(), part, part + count);
  const bool broken = std::ferror(stream) != 0;
  std::fclose(stream);
  if (broken) fail(path + " cannot be read");
  data_ = read_.data();
  size_ = read_.size();
}
#endif

FileBytes::~FileBytes() {
#ifdef TEXTCNN_MAPS_FILES
  if (is_mapped_) ::munmap(const_cast<char*>(data_), size_);
#endif
}

int64_t Tensor::count() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

SafeTensors::SafeTensors(std::string_view bytes, const std::string& name) : name_(name) {
  const auto broken = [&](const std::string& why) {
    fail(name + " cannot be read (" + why + "); it may be a partial copy: fold the model again");
  };
  if (bytes.size() < 8) broken("it has less than 8 bytes");
  uint64_t header_size = 0;
  for (int i = 7; i >= 0; --i) header_size = header_size << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  if (header_size > bytes.size() - 8) broken("its header ends beyond the file");
  const Json header = Json::parse(bytes.substr(8, header_size), name);
  const std::string_view content = bytes.substr(8 + header_size);
  for (const auto& [key, entry] : header.members()) {
    if (key == "__metadata__") {
      for (const auto& [field, value] : entry.members()) metadata_[field] = value.text();
      continue;
    }
    Tensor tensor;
    tensor.type = entry["dtype"].text();
    const int64_t size = tensor.type == "I64" || tensor.type == "F64"                              ? 8
                         : tensor.type == "F32" || tensor.type == "I32" || tensor.type == "U32"    ? 4
                         : tensor.type == "F16" || tensor.type == "BF16" || tensor.type == "I16"   ? 2
                         : tensor.type == "I8" || tensor.type == "U8" || tensor.type == "BOOL"     ? 1
                                                                                                   : 0;
    if (size == 0) broken("tensor " + key + " has the type " + tensor.type);
    int64_t count = size;
    for (const Json& dimension : entry["shape"].items()) {
      const int64_t own = dimension.integer();
      if (own < 0 || (own > 0 && count > INT64_MAX / own)) broken("tensor " + key + " has a shape that cannot be");
      tensor.shape.push_back(own);
      count *= own;
    }
    const std::vector<Json>& offsets = entry["data_offsets"].items();
    if (offsets.size() != 2) broken("tensor " + key + " has no place");
    const int64_t begin = offsets[0].integer(), end = offsets[1].integer();
    if (begin < 0 || end < begin || static_cast<uint64_t>(end) > content.size()) broken("tensor " + key + " ends beyond the file");
    if (end - begin != count) broken("tensor " + key + " has another size than its shape");
    tensor.data = content.data() + begin;
    tensor.size = static_cast<size_t>(count);
    tensors_[key] = tensor;
  }
}

const std::string& SafeTensors::type(const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) fail(name_ + " has no tensor " + tensor + "; fold the model again");
  return found->second.type;
}

const Tensor& SafeTensors::get(const std::string& tensor, std::string_view type, size_t dimensions) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) fail(name_ + " has no tensor " + tensor + "; fold the model again");
  if (found->second.type != type || found->second.shape.size() != dimensions)
    fail(name_ + ": tensor " + tensor + ": got " + found->second.type + " in " +
         text_of(static_cast<int64_t>(found->second.shape.size())) + " dimensions; expected " + std::string(type) + " in " +
         text_of(static_cast<int64_t>(dimensions)) + "; fold the model again");
  return found->second;
}

}  // namespace textcnn
