// The maximum over the windows of a text together with the window that it comes from. Included by
// training_kernels.cpp alone. As in windows.hpp, a block of filters goes over all windows while its maxima stay in
// registers, here with the numbers of their windows beside them.

// Windows between the one that is added and the one that is fetched; rows has as many spare entries.
constexpr int64_t kAhead = 2;
constexpr int64_t kLineBytes = 64;

// B vectors of filters side by side, but for the last, which begins at `last`. W is the width, or 0 for one that is only known at run time. `value != value`
// lets a NaN win, as it does in torch.
template <class T, int B, int W>
void pool_block(const T* table, const int64_t* rows, const int32_t* numbers, int64_t count, int64_t stride,
                int64_t dilation, int64_t width, int64_t slice, int64_t last, T* best, Number<T>* window) {
  using V = Vector<T, kRegisterBytes>;
  using I = Vector<Number<T>, kRegisterBytes>;
  typename V::Lanes maxima[B];
  typename I::Lanes winners[B];
  for (int b = 0; b < B; ++b) {
    maxima[b] = V::fill(-std::numeric_limits<T>::infinity()).lanes;
    winners[b] = I::fill(numbers[0]).lanes;
  }
  const int64_t steps = W > 0 ? W : width;
  for (int64_t n = 0; n < count; ++n) {
    const int64_t* first = rows + numbers[n] * stride;
    const char* later = reinterpret_cast<const char*>(table + first[(steps - 1) * dilation + kAhead]);
    for (int64_t j = 0; j < steps; ++j)
      for (int64_t byte = 0; byte < B * kRegisterBytes; byte += kLineBytes)
        prefetch(later + j * slice * static_cast<int64_t>(sizeof(T)) + byte);
    const auto number = I::fill(numbers[n]).lanes;
    const T* row[W > 0 ? W : 1];
    if constexpr (W > 0)
      for (int j = 0; j < W; ++j) row[j] = table + first[j * dilation] + j * slice;
    for (int b = 0; b < B; ++b) {
      const int64_t shift = b < B - 1 ? b * V::kLanes : last;
      auto value = V::load((W > 0 ? row[0] : table + first[0]) + shift).lanes;
      for (int64_t j = 1; j < steps; ++j)
        value += V::load((W > 0 ? row[W > 0 ? j : 0] : table + first[j * dilation] + j * slice) + shift).lanes;
      const auto wins = (value > maxima[b]) | (value != value);
      maxima[b] = wins ? value : maxima[b];
      winners[b] = wins ? number : winners[b];
    }
  }
  for (int b = 0; b < B; ++b) {
    const int64_t shift = b < B - 1 ? b * V::kLanes : last;
    V{maxima[b]}.store(best + shift);
    I{winners[b]}.store(window + shift);
  }
}

template <class T, int B>
void pool_width(const T* table, const int64_t* rows, const int32_t* numbers, int64_t count, int64_t stride,
                int64_t dilation, int64_t width, int64_t slice, int64_t last, T* best, Number<T>* window) {
  switch (width) {
#define TEXTCNN_WIDTH(w) \
  case w: return pool_block<T, B, w>(table, rows, numbers, count, stride, dilation, width, slice, last, best, window);
    TEXTCNN_WIDTH(1)
    TEXTCNN_WIDTH(2)
    TEXTCNN_WIDTH(3)
    TEXTCNN_WIDTH(4)
    TEXTCNN_WIDTH(5)
    TEXTCNN_WIDTH(6)
#undef TEXTCNN_WIDTH
    default:
      return pool_block<T, B, 0>(table, rows, numbers, count, stride, dilation, width, slice, last, best, window);
  }
}

template <class T>
void pool(const T* table, const int64_t* rows, const int32_t* numbers, int64_t count, int64_t stride,
          int64_t dilation, const Branch& branch, T* best, Number<T>* window) {
  for_blocks<T, kRegisterBytes == 64 ? 8 : 5>(branch.slice, [&]<int B>(int64_t at, int64_t last) {
    pool_width<T, B>(table + at, rows, numbers, count, stride, dilation, branch.width, branch.slice, last, best + at,
                     window + at);
  });
}
