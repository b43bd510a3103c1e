#include "tensor_copies.hpp"

#include <cmath>
#include <string>

#include "digest.hpp"
#include "error.hpp"

namespace textcnn {

const float* TensorCopies::floats(const SafeTensors& tensors, const char* name, size_t dimensions, int64_t count) {
  const Tensor& tensor = tensors.get(name, "F32", dimensions);
  if (tensor.count() != count)
    fail(std::string("folded.safetensors: tensor ") + name + " has another size than config.json says; fold the model again");
  return copies_.emplace_back(tensor.values<float>()).data();
}

void TensorCopies::read_table(const SafeTensors& tensors, const char* name, const char* scale, const char* output,
                              textcnn_bag_spec& spec) {
  spec.is_int8 = tensors.type(name) == "I8";
  const Tensor& table = tensors.get(name, spec.is_int8 ? "I8" : "F32", 2);
  spec.rows = table.shape[0];
  spec.columns = table.shape[1];
  spec.table = table.data;
  if (!spec.is_int8 && reinterpret_cast<uintptr_t>(table.data) % sizeof(float) != 0)
    spec.table = copies_.emplace_back(table.values<float>()).data();
  if (spec.is_int8) spec.scale = floats(tensors, scale, 1, spec.columns);
  if (!tensors.has(output)) return;
  // Compared by its shape: a product of sizes that a damaged file names might not fit a number.
  const Tensor& factor = tensors.get(output, "F32", 2);
  if (factor.shape[0] != spec.classes || factor.shape[1] != spec.columns)
    fail(std::string("folded.safetensors: tensor ") + output + " has another shape than the table; fold the model again");
  spec.output = floats(tensors, output, 2, factor.count());
}

void check_file(const SafeTensors& tensors, std::string_view format, const char* remedy) {
  const auto own = tensors.metadata().find("format");
  if (own == tensors.metadata().end() || own->second != format)
    fail("folded.safetensors: got format " + (own == tensors.metadata().end() ? "none" : own->second) + "; expected " +
         std::string(format) + "; " + remedy);
  check_digest(tensors, "folded.safetensors");
}

double temperature_of(const Json& config) {
  const double temperature = config["temperature"].number_or(1);
  if (!(temperature > 0) || !std::isfinite(temperature)) fail("config.json: temperature: expected a positive number; calibrate again");
  return temperature;
}

}  // namespace textcnn
