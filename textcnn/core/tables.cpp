// Opens tables: every size, index and setting that becomes an address is checked here, once.
#include "tables.hpp"

#include <algorithm>
#include <cmath>

#include "error.hpp"
#include "pooling.hpp"

namespace textcnn {
namespace {

// Larger numbers exist only in damaged files, and their products could overflow.
constexpr int64_t kMostWidths = 1 << 10;
constexpr int64_t kMostFilters = 1 << 24;
constexpr int64_t kWidestWindow = 1 << 12;
constexpr int64_t kMostStep = 1 << 16;
constexpr int64_t kMostRows = int64_t{1} << 31;

void check(bool holds, const char* name, int64_t got, const char* expected) {
  if (!holds) fail(std::string(name) + ": got " + text_of(got) + "; expected " + expected + "; fold the model again");
}

void check_pointer(const void* pointer, const char* name) {
  if (pointer == nullptr) fail(std::string(name) + ": got none; expected a tensor; fold the model again");
}

void check_aligned(const void* pointer, size_t size, const char* name) {
  if (reinterpret_cast<uintptr_t>(pointer) % size != 0)
    fail(std::string(name) + ": got an address that is no multiple of " + text_of(static_cast<int64_t>(size)) + "; copy the tensor");
}

void check_finite(const float* values, int64_t count, const char* name) {
  for (int64_t i = 0; i < count; ++i)
    if (!std::isfinite(values[i]))
      fail(std::string(name) + ": got a value that is not finite at " + text_of(i) + "; fold the model again");
}

}  // namespace

Tables::~Tables() = default;

Borrowed<Pooling> Tables::pooling() const {
  return {spare, [this] { return std::make_unique<Pooling>(*this); }};
}

Tables::Tables(const textcnn_tables_spec& spec) {
  check(spec.vocab_size >= 1 && spec.vocab_size < kMostRows, "vocab_size", spec.vocab_size, "1 or more");
  check(spec.rows >= 1 && spec.rows < kMostRows, "table", spec.rows, "at least one row");
  check(spec.widths >= (spec.bag == nullptr ? 1 : 0) && spec.widths <= kMostWidths, "kernel_sizes", spec.widths,
        "1 to 1024 widths, or none beside a bag");
  check(spec.classes >= 1 && spec.classes <= kMostFilters, "head_weight", spec.classes, "at least one class");
  check(spec.stride >= 1 && spec.stride <= kMostStep, "stride", spec.stride, "1 or more");
  check(spec.dilation >= 1 && spec.dilation <= kMostStep, "dilation", spec.dilation, "1 or more");
  check(spec.padding >= 0 && spec.padding <= 2, "padding", spec.padding, "0 (wide), 1 (same) or 2 (valid)");
  check(spec.means == 0 || spec.means == 1, "means", spec.means, "0 or 1");
  check(spec.activation >= 0 && spec.activation <= 6, "activation", spec.activation, "0 to 6");
  check(spec.norm_epsilon >= 0 && std::isfinite(spec.norm_epsilon), "layer_norm_eps", 0, "a finite positive number");
  check_pointer(spec.table, "table");
  check_pointer(spec.row_of_id, "row_of_id");
  if (spec.widths > 0) {  // a bag alone has no filters, and an empty array no address
    check_pointer(spec.kernel_sizes, "kernel_sizes");
    check_pointer(spec.num_filters, "num_filters");
    check_pointer(spec.scale, "scale");
    check_pointer(spec.bias, "bias");
    check_pointer(spec.head_weight, "head_weight");
  }
  check_pointer(spec.head_bias, "head_bias");
  check_aligned(spec.table, spec.is_int8 ? 1 : 4, "table");
  check_aligned(spec.row_of_id, 4, "row_of_id");
  for (const float* floats : {spec.scale, spec.bias, spec.norm_weight, spec.norm_bias, spec.head_weight, spec.head_bias})
    check_aligned(floats, 4, "a tensor of float32");
  if ((spec.norm_weight == nullptr) != (spec.norm_bias == nullptr))
    fail("norm_weight: got one of norm_weight and norm_bias; expected both or none; fold the model again");
  if (spec.norm_weight != nullptr && spec.means != 0)
    fail("pooled_norm: got true with means of activations; expected false; train without it");

  int8 = spec.is_int8 != 0;
  vocab_size = spec.vocab_size;
  rows = spec.rows;
  classes = spec.classes;
  stride = spec.stride;
  dilation = spec.dilation;
  activation = static_cast<Activation>(spec.activation);
  const auto padding = static_cast<Padding>(spec.padding);
  // Few filters are padded to half a register of 32 bytes or to a whole one: see Layout in runtime/layout.py.
  const int64_t lanes = int8 ? 32 : 8;
  columns = features = padded_features = left = right = span = 0;
  for (int64_t i = 0; i < spec.widths; ++i) {
    Width width{};
    width.width = spec.kernel_sizes[i];
    width.filters = spec.num_filters[i];
    check(width.width >= 1 && width.width <= kWidestWindow, "kernel_sizes", width.width, "1 to 4096");
    check(width.filters >= 1 && width.filters <= kMostFilters, "num_filters", width.filters, "1 or more");
    width.padded = width.filters <= lanes / 2 ? lanes / 2 : std::max(width.filters, lanes);
    width.column_bytes = columns * element_bytes();
    width.slice_bytes = width.padded * element_bytes();
    width.maxima_at = padded_features;
    width.feature_at = features;
    const int64_t own_span = (width.width - 1) * dilation;
    switch (padding) {
      case Padding::wide: width.left = width.right = own_span; break;
      case Padding::same: width.left = own_span / 2, width.right = own_span - own_span / 2; break;
      case Padding::valid: break;
    }
    columns += width.width * width.padded;
    padded_features += width.padded;
    features += width.filters;
    left = std::max(left, width.left);
    right = std::max(right, width.right);
    span = std::max(span, own_span);
    widths.push_back(width);
  }
  check(columns == spec.columns, "table", spec.columns, (text_of(columns) + " values in a row").c_str());
  check(features == spec.features, "bias", spec.features, (text_of(features) + " filters").c_str());
  means = spec.means != 0;
  pooled = means ? 2 * features : features;
  row_bytes = columns * element_bytes();
  hole = (rows - 1) * row_bytes;
  row_of_id.assign(spec.row_of_id, spec.row_of_id + vocab_size);
  for (int64_t id = 0; id < vocab_size; ++id)
    if (row_of_id[id] < -1 || row_of_id[id] >= rows)
      fail("row_of_id: got row " + text_of(row_of_id[id]) + " of token " + text_of(id) + "; expected -1 to " +
           text_of(rows - 1) + "; the file is damaged: fold the model again");

  table = static_cast<const char*>(spec.table);
  scale = spec.scale;
  bias = spec.bias;
  norm_weight = spec.norm_weight;
  norm_bias = spec.norm_bias;
  norm_epsilon = spec.norm_epsilon;
  head_weight = spec.head_weight;
  head_bias = spec.head_bias;
  check_finite(scale, features, "scale");
  check_finite(bias, features, "bias");
  check_finite(head_weight, classes * pooled, "head_weight");
  check_finite(head_bias, classes, "head_bias");
  bag = spec.bag;
  if (bag == nullptr) return;
  check(bag->classes == classes, "bag", bag->classes, (text_of(classes) + " classes").c_str());
  const int32_t most = *std::max_element(row_of_id.begin(), row_of_id.end());
  check(most < bag->first_bucket_row, "bag", bag->first_bucket_row, "a row for each row of a token");
}

}  // namespace textcnn
