// Maxima to features to logits. Included by kernels.cpp alone.

template <class T>
void scale_values(const T* __restrict maxima, const float* __restrict scale, const float* __restrict bias, float floor,
                  int64_t count, float* __restrict features) {
  for (int64_t f = 0; f < count; ++f) {
    const float value = static_cast<float>(maxima[f]) * scale[f] + bias[f];
    features[f] = value > floor ? value : floor;
  }
}

void scale_maxima(const Tables& tables, const Width& width, const void* maxima, float* features) {
  const float floor = tables.activation == Activation::relu ? 0.0f : -__builtin_inff();
  const float* scale = tables.scale + width.feature_at;
  const float* bias = tables.bias + width.feature_at;
  features += width.feature_at;
  if (tables.int8)
    scale_values(static_cast<const int8_t*>(maxima) + width.maxima_at, scale, bias, floor, width.filters, features);
  else
    scale_values(static_cast<const float*>(maxima) + width.maxima_at, scale, bias, floor, width.filters, features);
}

// Dot products of R rows of weights and the same values, in 16 lanes whatever the registers are, and in one order at the
// end: every machine gives the same bytes, and so does every R. Several rows at a time do not wait for each other's sums.
template <int R>
void dots(const float* weight, const float* __restrict values, int64_t count, float* out) {
  constexpr int64_t kLanes = 16;
  constexpr int kVectorLanes = kRegisterBytes / static_cast<int>(sizeof(float)), kVectors = kLanes / kVectorLanes;
  using V = Lanes<kVectorLanes>;
  const int64_t whole = count / kLanes * kLanes;
  typename V::Floats sums[R][kVectors] = {};
  for (int64_t f = 0; f < whole; f += kLanes)
    for (int v = 0; v < kVectors; ++v) {
      const typename V::Floats value = V::load(values + f + v * kVectorLanes);
      for (int r = 0; r < R; ++r) sums[r][v] += V::load(weight + r * count + f + v * kVectorLanes) * value;
    }
  float lanes[R][kLanes];
  std::memcpy(lanes, sums, sizeof(lanes));
  for (int r = 0; r < R; ++r) {
    for (int64_t f = whole; f < count; ++f) lanes[r][f - whole] += weight[r * count + f] * values[f];
    for (int64_t step = kLanes / 2; step > 0; step /= 2)
      for (int64_t i = 0; i < step; ++i) lanes[r][i] += lanes[r][i + step];
    out[r] = lanes[r][0];
  }
}

// Some rows of a matrix [rows, count] times the values of some texts [texts, count]: out(text, row, product). A matrix of many
// rows is read from memory once for all texts.
template <class Out>
TEXTCNN_INLINE void all_dots(const float* matrix, int64_t rows, const float* values, int64_t texts, int64_t count,
                             const Out& out) {
  constexpr int kRows = 4;
  float products[kRows];
  int64_t c = 0;
  for (; c + kRows <= rows; c += kRows)
    for (int64_t n = 0; n < texts; ++n) {
      dots<kRows>(matrix + c * count, values + n * count, count, products);
      for (int r = 0; r < kRows; ++r) out(n, c + r, products[r]);
    }
  for (; c < rows; ++c)
    for (int64_t n = 0; n < texts; ++n) {
      dots<1>(matrix + c * count, values + n * count, count, products);
      out(n, c, products[0]);
    }
}

void apply_head(const Tables& tables, const float* features, int64_t texts, float* logits) {
  all_dots(tables.head_weight, tables.classes, features, texts, tables.pooled, [&](int64_t n, int64_t c, float product) {
    logits[n * tables.classes + c] = product + tables.head_bias[c];
  });
}

// Components are added in their order, so that every machine makes the same table.
void row_of_factors(const int8_t* vector, const float* __restrict filters, int64_t components, int64_t columns,
                    float* __restrict sums, int8_t* __restrict row) {
  for (int64_t c = 0; c < columns; ++c) sums[c] = 0;
  for (int64_t k = 0; k < components; ++k) {
    const float value = vector[k];
    const float* filter = filters + k * columns;
    for (int64_t c = 0; c < columns; ++c) sums[c] += value * filter[c];
  }
  for (int64_t c = 0; c < columns; ++c) {
    const float rounded = __builtin_rintf(sums[c]);
    row[c] = static_cast<int8_t>(rounded > 127 ? 127 : rounded < -127 ? -127 : rounded);
  }
}
