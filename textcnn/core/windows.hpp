// The maximum over the windows of a text, the hot loop of the whole core. Included by kernels.cpp alone.
//
// A block of filters goes over all windows while its maxima stay in registers. The number of vectors of a block and the
// width are known when this is compiled, so that a window is a straight line of loads and additions. A row of the table
// is read once and not again soon, so that the loop asks for the row of a later window while it adds the present ones.

// Windows between the one that is added and the one that is fetched. Buffers of rows hold as many spare entries.
constexpr int64_t kPrefetchDistance = 8;
constexpr int64_t kCacheLine = 64;

// W is the width, or 0 for one that is only known at run time.
template <class T, int N, int B, int W>
void block_of_windows(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                      int64_t slice, int64_t width, const int64_t* at, T* maxima) {
  using V = Vector<T, N>;
  V best[B];
  for (int b = 0; b < B; ++b) best[b] = V::load(maxima + at[b]);
  const int64_t steps = W > 0 ? W : width;
  const int64_t first = at[0] * static_cast<int64_t>(sizeof(T));
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
      best[b] = maximum(sum, best[b]);
    }
  }
  for (int b = 0; b < B; ++b) best[b].store(maxima + at[b]);
}

template <class T, int N, int B>
void block_of_any_width(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                        int64_t slice, int64_t width, const int64_t* at, T* maxima) {
  switch (width) {
#define TEXTCNN_WIDTH(w) \
  case w: return block_of_windows<T, N, B, w>(table, rows, count, stride, dilation, slice, width, at, maxima);
    TEXTCNN_WIDTH(1)
    TEXTCNN_WIDTH(2)
    TEXTCNN_WIDTH(3)
    TEXTCNN_WIDTH(4)
    TEXTCNN_WIDTH(5)
    TEXTCNN_WIDTH(6)
    TEXTCNN_WIDTH(7)
    TEXTCNN_WIDTH(8)
#undef TEXTCNN_WIDTH
    default: return block_of_windows<T, N, B, 0>(table, rows, count, stride, dilation, slice, width, at, maxima);
  }
}

// The filters of one width as vectors of N bytes, in blocks whose maxima stay in registers. The last vector ends with
// the last filter, and the last large block with the last vector: some filters are computed twice, none is left out.
template <class T, int N>
void all_blocks(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation, int64_t slice,
                int64_t width, int64_t filters, T* maxima) {
  constexpr int kMost = 7;
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
      case 7: block_of_any_width<T, N, 7>(table, rows, count, stride, dilation, slice, width, at, maxima); break;
      case 4: block_of_any_width<T, N, 4>(table, rows, count, stride, dilation, slice, width, at, maxima); break;
      case 2: block_of_any_width<T, N, 2>(table, rows, count, stride, dilation, slice, width, at, maxima); break;
      default: block_of_any_width<T, N, 1>(table, rows, count, stride, dilation, slice, width, at, maxima);
    }
    first += size;
  }
}

template <class T>
void windows_of_type(const Tables& tables, const Width& width, const int64_t* rows, int64_t count, T* maxima) {
  const char* table = tables.table + width.column_bytes;
  const auto run = [&]<int N>() {
    all_blocks<T, N>(table, rows, count, tables.stride, tables.dilation, width.slice_bytes, width.width, width.padded,
                     maxima);
  };
  if constexpr (kRegisterBytes == 64) {
    if (width.slice_bytes >= 64) return run.template operator()<64>();
  }
  if constexpr (kRegisterBytes >= 32) {
    if (width.slice_bytes >= 32) return run.template operator()<32>();
  }
  run.template operator()<16>();
}

void add_windows(const Tables& tables, const Width& width, const int64_t* rows, int64_t start, int64_t count,
                 void* maxima) {
  rows += start;
  if (tables.int8)
    windows_of_type(tables, width, rows, count, static_cast<int8_t*>(maxima) + width.maxima_at);
  else
    windows_of_type(tables, width, rows, count, static_cast<float*>(maxima) + width.maxima_at);
}
