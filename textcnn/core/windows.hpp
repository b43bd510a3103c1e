// The maximum over the windows of a text, the hot loop of the whole core. Included by kernels.cpp alone.
//
// A block of filters goes over all windows while its maxima stay in registers. The number of vectors of a block and the
// width are known when this is compiled, so that a window is a straight line of loads and additions. A row of the table
// is read once and not again soon, so that the loop asks for the row of a later window while it adds the present ones.

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// Windows between the one that is added and the one that is fetched. Buffers of rows hold as many spare entries.
constexpr int64_t kPrefetchDistance = 8;
constexpr int64_t kCacheLine = 64;

// W is the width, or 0 for one that is only known at run time. Vectors of the block stand side by side, but for the last,
// which begins `last` bytes after the first: constant distances leave the registers to the rows.
template <class T, int N, int B, int W>
void block_of_windows(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                      int64_t slice, int64_t width, int64_t last, T* maxima) {
  using V = Vector<T, N>;
  char* const best_at = reinterpret_cast<char*>(maxima);
  const auto place = [&](int b) { return b == B - 1 ? last : static_cast<int64_t>(b) * N; };
  V best[B];
  for (int b = 0; b < B; ++b) best[b] = V::load(best_at + place(b));
  for (int64_t n = 0; n < count; ++n, rows += stride) {
    if constexpr (W > 0) {
      const char* later = table + rows[(W - 1) * dilation + kPrefetchDistance];
      for (int j = 0; j < W; ++j, later += slice)
        for (int64_t line = 0; line < B * N; line += kCacheLine) prefetch(later + line);
      const char* row[W];
      for (int j = 0; j < W; ++j) row[j] = table + rows[j * dilation] + j * slice;
      for (int b = 0; b < B; ++b) {
        V sum = V::load(row[0] + place(b));
        for (int j = 1; j < W; ++j) sum = add(sum, V::load(row[j] + place(b)));
        best[b] = maximum(sum, best[b]);
      }
    } else {
      V sum[B];
      for (int b = 0; b < B; ++b) sum[b] = V::load(table + rows[0] + place(b));
      for (int64_t j = 1; j < width; ++j) {
        const char* row = table + rows[j * dilation] + j * slice;
        for (int b = 0; b < B; ++b) sum[b] = add(sum[b], V::load(row + place(b)));
      }
      for (int b = 0; b < B; ++b) best[b] = maximum(sum[b], best[b]);
    }
  }
  for (int b = 0; b < B; ++b) best[b].store(best_at + place(b));
}

template <class T, int N, int B>
void block_of_any_width(const char* table, const int64_t* rows, int64_t count, int64_t stride, int64_t dilation,
                        int64_t slice, int64_t width, int64_t last, T* maxima) {
  switch (width) {
#define TEXTCNN_WIDTH(w) \
  case w: return block_of_windows<T, N, B, w>(table, rows, count, stride, dilation, slice, width, last, maxima);
    TEXTCNN_WIDTH(1)
    TEXTCNN_WIDTH(2)
    TEXTCNN_WIDTH(3)
    TEXTCNN_WIDTH(4)
    TEXTCNN_WIDTH(5)
    TEXTCNN_WIDTH(6)
    TEXTCNN_WIDTH(7)
    TEXTCNN_WIDTH(8)
#undef TEXTCNN_WIDTH
    default: return block_of_windows<T, N, B, 0>(table, rows, count, stride, dilation, slice, width, last, maxima);
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
    const int64_t first_filter = smaller(begin * lanes, filters - lanes);
    const int64_t last_filter = smaller((begin + size - 1) * lanes, filters - lanes);
    const int64_t last = (last_filter - first_filter) * static_cast<int64_t>(sizeof(T));
    const char* own = table + first_filter * static_cast<int64_t>(sizeof(T));
    switch (size) {
      case 7: block_of_any_width<T, N, 7>(own, rows, count, stride, dilation, slice, width, last, maxima + first_filter); break;
      case 4: block_of_any_width<T, N, 4>(own, rows, count, stride, dilation, slice, width, last, maxima + first_filter); break;
      case 2: block_of_any_width<T, N, 2>(own, rows, count, stride, dilation, slice, width, last, maxima + first_filter); break;
      default: block_of_any_width<T, N, 1>(own, rows, count, stride, dilation, slice, width, last, maxima + first_filter);
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
