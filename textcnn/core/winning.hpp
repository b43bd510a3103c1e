// The best and the second best window of every filter. Included by kernels.cpp alone.
//
// As in windows.hpp, a block of filters goes over the windows while its best sum, its second best sum and the number of
// the best window stay in registers. That number has the size of a sum, one byte for int8, so that one comparison
// chooses among all three: hence few windows at once, and a merge with those before.

template <class T>
constexpr T kLowest = -__builtin_inff();
template <>
constexpr int8_t kLowest<int8_t> = -128;

// Integers of the size of a sum.
template <class T>
struct NumberOf {
  using Type = int32_t;
};
template <>
struct NumberOf<int8_t> {
  using Type = int8_t;
};

// What a stretch of windows found, for the padded filters of one width.
template <class T>
struct Found {
  T *best, *second;
  typename NumberOf<T>::Type* number;
};

template <class T, int N, int B, int W>
void block_of_winners(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                      int64_t slice, int64_t width, const int64_t* at, const Found<T>& found) {
  using V = Vector<T, N>;
  using Numbers = Vector<typename NumberOf<T>::Type, N>;
  V best[B], second[B];
  Numbers number[B];
  for (int b = 0; b < B; ++b) {
    best[b] = second[b] = V::fill(kLowest<T>);
    number[b] = Numbers::fill(0);
  }
  const int64_t steps = W > 0 ? W : width;
  const int64_t first = at[0] * static_cast<int64_t>(sizeof(T));
  Numbers here = Numbers::fill(0);
  for (int64_t n = 0; n < count; ++n, rows += stride) {
    if constexpr (W > 0) {
      const char* later = table + rows[(W - 1) * dilation + kPrefetchDistance] + first;
      for (int j = 0; j < W; ++j)
        for (int64_t line = 0; line < B * N; line += kCacheLine) prefetch(later + j * slice + line);
    }
    const char* row[W > 0 ? W : 1];
    if constexpr (W > 0)
      for (int j = 0; j < W; ++j) row[j] = table + rows[j * dilation] + j * slice;
    for (int b = 0; b < B; ++b) {
      const int64_t shift = at[b] * static_cast<int64_t>(sizeof(T));
      V sum = V::load((W > 0 ? row[0] : table + rows[0]) + shift);
      for (int64_t j = 1; j < steps; ++j)
        sum = add(sum, V::load((W > 0 ? row[W > 0 ? j : 0] : table + rows[j * dilation] + j * slice) + shift));
      // A later window with the same sum does not win.
      const auto wins = sum.lanes > best[b].lanes;
      V lower;
      lower.lanes = wins ? best[b].lanes : sum.lanes;
      second[b] = maximum(second[b], lower);
      number[b].lanes = wins ? here.lanes : number[b].lanes;
      best[b].lanes = wins ? sum.lanes : best[b].lanes;
    }
    here.lanes += 1;
  }
  for (int b = 0; b < B; ++b) {
    best[b].store(found.best + at[b]);
    second[b].store(found.second + at[b]);
    number[b].store(found.number + at[b]);
  }
}

template <class T, int N, int B>
void winners_of_any_width(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                          int64_t slice, int64_t width, const int64_t* at, const Found<T>& found) {
  switch (width) {
#define TEXTCNN_WIDTH(w) \
  case w: return block_of_winners<T, N, B, w>(table, rows, count, stride, dilation, slice, width, at, found);
    TEXTCNN_WIDTH(1)
    TEXTCNN_WIDTH(2)
    TEXTCNN_WIDTH(3)
    TEXTCNN_WIDTH(4)
    TEXTCNN_WIDTH(5)
#undef TEXTCNN_WIDTH
    default: return block_of_winners<T, N, B, 0>(table, rows, count, stride, dilation, slice, width, at, found);
  }
}

// The filters of one width in blocks, as all_blocks of windows.hpp cuts them; a filter that is computed twice comes out
// the same.
template <class T, int N>
void winners_of_blocks(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                       int64_t slice, int64_t width, int64_t filters, const Found<T>& found) {
  // Three registers for each vector: AVX-512 has 32 of them, the others 16.
  constexpr int kMost = N == 64 ? 7 : 4;
  constexpr int64_t lanes = N / static_cast<int64_t>(sizeof(T));
  const int64_t vectors = (filters + lanes - 1) / lanes;
  for (int64_t first = 0; first < vectors;) {
    const int64_t left = vectors - first;
    const int64_t size = vectors >= kMost ? kMost : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const int64_t begin = left < size ? vectors - size : first;
    int64_t at[kMost];
    for (int64_t b = 0; b < size; ++b) {
      const int64_t filter = (begin + b) * lanes;
      at[b] = filter < filters - lanes ? filter : filters - lanes;
    }
    switch (size) {
      case 4: winners_of_any_width<T, N, 4>(table, rows, count, stride, dilation, slice, width, at, found); break;
      case 2: winners_of_any_width<T, N, 2>(table, rows, count, stride, dilation, slice, width, at, found); break;
      case 1: winners_of_any_width<T, N, 1>(table, rows, count, stride, dilation, slice, width, at, found); break;
      default: winners_of_any_width<T, N, kMost>(table, rows, count, stride, dilation, slice, width, at, found);
    }
    first += size;
  }
}

// The best two of those before and those of a stretch, which come later and win only with a larger sum.
template <class T>
void merge_winners(const Found<T>& found, int64_t filters, int32_t start, int32_t stride, T* __restrict best,
                   T* __restrict second, int32_t* __restrict place) {
  const T* __restrict own_best = found.best;
  const T* __restrict own_second = found.second;
  const auto* __restrict number = found.number;
  for (int64_t f = 0; f < filters; ++f) {
    const bool wins = own_best[f] > best[f];
    const T lower = wins ? best[f] : own_best[f];
    const T more = second[f] > own_second[f] ? second[f] : own_second[f];
    second[f] = more > lower ? more : lower;
    place[f] = wins ? start + number[f] * stride : place[f];
    best[f] = wins ? own_best[f] : best[f];
  }
}

template <class T>
void winners_of_type(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                     void* buffer, T* best, T* second, int32_t* place) {
  T* values = static_cast<T*>(buffer);
  const Found<T> found{values, values + width.padded,
                       reinterpret_cast<typename NumberOf<T>::Type*>(values + 2 * width.padded)};
  const char* table = tables.table + width.column_bytes;
  const auto run = [&]<int N>() {
    winners_of_blocks<T, N>(table, rows + start, count, tables.stride, tables.dilation, width.slice_bytes, width.width,
                            width.padded, found);
  };
  if (kRegisterBytes == 64 && width.slice_bytes >= 64)
    run.template operator()<kRegisterBytes>();
  else if (kRegisterBytes >= 32 && width.slice_bytes >= 32)
    run.template operator()<(kRegisterBytes >= 32 ? 32 : 16)>();
  else
    run.template operator()<16>();
  merge_winners(found, width.padded, static_cast<int32_t>(start), static_cast<int32_t>(tables.stride),
                best + width.maxima_at, second + width.maxima_at, place + width.maxima_at);
}

void find_winners(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                  void* buffer, void* best, void* second, int32_t* place) {
  if (tables.int8)
    winners_of_type(tables, width, rows, start, count, buffer, static_cast<int8_t*>(best),
                    static_cast<int8_t*>(second), place);
  else
    winners_of_type(tables, width, rows, start, count, buffer, static_cast<float*>(best), static_cast<float*>(second),
                    place);
}

void finish_winners(const Tables& tables, const Width& width, const void* best, const int32_t* place, int32_t first,
                    float* sums, int32_t* start) {
  const float* scale = tables.scale + width.feature_at;
  const float* bias = tables.bias + width.feature_at;
  sums += width.feature_at;
  if (tables.int8)
    scale_values(static_cast<const int8_t*>(best) + width.maxima_at, scale, bias, -__builtin_inff(), width.filters, sums);
  else
    scale_values(static_cast<const float*>(best) + width.maxima_at, scale, bias, -__builtin_inff(), width.filters, sums);
  const int32_t* __restrict own = place + width.maxima_at;
  int32_t* __restrict out = start + width.feature_at;
  for (int64_t f = 0; f < width.filters; ++f) out[f] = own[f] - first;
}
