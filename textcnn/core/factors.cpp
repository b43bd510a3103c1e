// Tables that are stored as two factors: token vectors in 8 bits and the filters.
#include <cmath>
#include <cstring>
#include <vector>

#include "error.hpp"
#include "kernels.hpp"
#include "model.hpp"

namespace textcnn {
namespace {

float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
  float value;
  if (exponent == 0) {
    value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7F800000u : (exponent + 112) << 23) | fraction << 13;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace

void table_of_factors(const int8_t* vectors, const uint16_t* filters, int64_t rows, int64_t components, int64_t columns,
                      int8_t* table) {
  std::vector<float> wide(static_cast<size_t>(components * columns));
  for (size_t i = 0; i < wide.size(); ++i) wide[i] = float_of_half(filters[i]);
  std::vector<float> sums(static_cast<size_t>(columns));
  for (int64_t row = 0; row < rows; ++row)
    kernels().row_of_factors(vectors + row * components, wide.data(), components, columns, sums.data(), table + row * columns);
}

}  // namespace textcnn

using namespace textcnn;

int32_t textcnn_table_of_factors(const int8_t* vectors, const uint16_t* filters, int64_t rows, int64_t components,
                                 int64_t columns, int8_t* table) {
  return guarded<int32_t>(-1, [&] {
    table_of_factors(vectors, filters, rows, components, columns, table);
    return 0;
  });
}
