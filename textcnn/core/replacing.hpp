// The least value of linear functions of the features over the tokens that could stand at a position. Included by
// kernels.cpp alone.

// One position and one token: the maxima with the windows that hold it, the activation, and 16 lanes of each function,
// which are added in one order, so that every machine gives the same bytes.
void least_of_token(const Tables& tables, const Replacements& own, const float* row, int64_t t, float* values) {
  constexpr int64_t kLanes = 16;
  for (const Width& width : tables.widths) {
    const float* __restrict base = own.base + t * tables.features + width.feature_at;
    const int64_t column = width.column_bytes / static_cast<int64_t>(sizeof(float));
    float* __restrict maxima = values + width.feature_at;
    for (int64_t f = 0; f < width.filters; ++f) maxima[f] = base[f];
    for (int64_t j = 0; j < width.width; ++j) {
      const float* __restrict terms = row + column + j * width.padded;
      const float* __restrict others = own.rest + t * tables.columns + column + j * width.padded;
      for (int64_t f = 0; f < width.filters; ++f) {
        const float sum = terms[f] + others[f];
        maxima[f] = sum > maxima[f] ? sum : maxima[f];
      }
    }
  }
  const int64_t count = tables.features;
  // A filter without any window has the value 0.
  if (own.activation == Activation::relu)
    for (int64_t f = 0; f < count; ++f) values[f] = values[f] > 0.0f ? values[f] : 0.0f;
  else
    for (int64_t f = 0; f < count; ++f) values[f] = values[f] > -3e38f ? activate(values[f], own.activation) : 0.0f;
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t k = 0; k < own.function_count; ++k) {
    const float* __restrict function = own.functions + k * count;
    float lanes[kLanes] = {};
    for (int64_t f = 0; f < whole; f += kLanes)
      for (int64_t i = 0; i < kLanes; ++i) lanes[i] += function[f + i] * values[f + i];
    for (int64_t f = whole; f < count; ++f) lanes[f - whole] += function[f] * values[f];
    for (int64_t step = kLanes / 2; step > 0; step /= 2)
      for (int64_t i = 0; i < step; ++i) lanes[i] += lanes[i + step];
    float* least = own.least + t * own.function_count + k;
    *least = lanes[0] < *least ? lanes[0] : *least;
  }
}

void least_of_tokens(const Tables& tables, const Replacements& own, int64_t begin, int64_t end, float* values) {
  for (int64_t v = 0; v < own.count; ++v) {
    // The row stays near for all positions.
    const float* row = reinterpret_cast<const float*>(tables.table + own.vocabulary[v] * tables.row_bytes);
    for (int64_t t = begin; t < end; ++t)
      if (own.replaceable[t]) least_of_token(tables, own, row, t, values);
  }
}
