// Activations of the windows of a text, added up for their mean. Included by kernels.cpp alone.
//
// As for the maxima, a block of filters goes over all windows while its sums stay in registers. Activations are made of
// two straight lines here: x above 0 and slope * x below. The others are computed window by window: see pooling.cpp.

// B vectors of filters that begin at the filter `first`, of which those from `begin` on are added. Values are added in the
// order of the windows, whatever L is, so that every machine gives the same bytes.
template <class T, int L, int B>
void block_of_means(const Tables& tables, const Width& width, const int64_t* rows, int64_t count, float slope,
                    int64_t first, int64_t begin, float* totals) {
  using V = Lanes<L>;
  using Floats = typename V::Floats;
  // What lies beyond the last filter is padding of the table.
  const int64_t end = smaller(width.filters, first + B * L);
  const auto bytes = sizeof(float) * static_cast<size_t>(end - begin);
  const auto take = [&](const float* values, Floats* lanes) {
    std::memcpy(reinterpret_cast<float*>(lanes) + (begin - first), values + begin, bytes);
  };
  Floats scale[B] = {}, bias[B] = {}, total[B] = {};
  take(tables.scale + width.feature_at, scale);
  take(tables.bias + width.feature_at, bias);
  take(totals, total);
  const char* table = tables.table + width.column_bytes + first * static_cast<int64_t>(sizeof(T));
  const auto at = [](const char* row, int b) { return V::load(reinterpret_cast<const T*>(row) + b * L); };
  for (int64_t n = 0; n < count; ++n, rows += tables.stride) {
    decltype(at(table, 0)) sum[B];
    for (int b = 0; b < B; ++b) sum[b] = at(table + rows[0], b);
    for (int64_t j = 1; j < width.width; ++j) {
      const char* row = table + rows[j * tables.dilation] + j * width.slice_bytes;
      for (int b = 0; b < B; ++b) sum[b] += at(row, b);
    }
    for (int b = 0; b < B; ++b) {
      const Floats value = V::floats(sum[b]) * scale[b] + bias[b];
      total[b] += value > 0.0f ? value : value * slope;
    }
  }
  std::memcpy(totals + begin, reinterpret_cast<float*>(total) + (begin - first), bytes);
}

// All filters of one width. The last vector ends with the padding, and adds only those that no other has added.
template <class T, int L>
void all_means(const Tables& tables, const Width& width, const int64_t* rows, int64_t count, float slope, float* totals) {
  int64_t begin = 0;
  for (; begin + 2 * L <= width.filters; begin += 2 * L)
    block_of_means<T, L, 2>(tables, width, rows, count, slope, begin, begin, totals);
  for (; begin < width.filters; begin += L)
    block_of_means<T, L, 1>(tables, width, rows, count, slope, smaller(begin, width.padded - L), begin, totals);
}

template <class T>
void means_of_type(const Tables& tables, const Width& width, const int64_t* rows, int64_t count, float slope, float* totals) {
  if constexpr (kRegisterBytes == 64) {
    if (width.padded >= 16) return all_means<T, 16>(tables, width, rows, count, slope, totals);
  }
  if constexpr (kRegisterBytes >= 32) {
    if (width.padded >= 8) return all_means<T, 8>(tables, width, rows, count, slope, totals);
  }
  all_means<T, 4>(tables, width, rows, count, slope, totals);
}

void add_activations(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                     float slope, float* totals) {
  if (tables.int8)
    means_of_type<int8_t>(tables, width, rows + start, count, slope, totals);
  else
    means_of_type<float>(tables, width, rows + start, count, slope, totals);
}
