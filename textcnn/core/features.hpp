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

// A dot product in 16 lanes whatever the registers are, and in one order at the end: every machine gives the same bytes.
float dot(const float* __restrict weight, const float* __restrict values, int64_t count) {
  constexpr int64_t kLanes = 16;
  const int64_t whole = count / kLanes * kLanes;
  float lanes[kLanes] = {};
  for (int64_t f = 0; f < whole; f += kLanes)
    for (int64_t i = 0; i < kLanes; ++i) lanes[i] += weight[f + i] * values[f + i];
  for (int64_t f = whole; f < count; ++f) lanes[f - whole] += weight[f] * values[f];
  for (int64_t step = kLanes / 2; step > 0; step /= 2)
    for (int64_t i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  return lanes[0];
}

void apply_head(const Tables& tables, const float* features, float* logits) {
  for (int64_t c = 0; c < tables.classes; ++c)
    logits[c] = dot(tables.head_weight + c * tables.features, features, tables.features) + tables.head_bias[c];
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
