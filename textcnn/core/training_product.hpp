// A matrix product for the training operator: a tile of the result stays in registers while the depth runs by.
// Included by training_kernels.cpp alone.
//
// The right side lies in panels of two vectors. A panel of up to kDepth rows stays in the first cache while it meets
// the rows of the left side, a tile of them at a time. Each value is summed in one order, whatever rows a call has.

template <class T>
struct Product {
  using V = Vector<T, kRegisterBytes>;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kPanel = 2 * kLanes;
  // 24 sums fit into the 32 registers of AVX-512 and NEON, 12 into 16.
#if defined(TEXTCNN_PLAIN)
  static constexpr int kRows = 4;
#elif defined(__AVX512BW__) || defined(__ARM_NEON)
  static constexpr int kRows = 12;
#else
  static constexpr int kRows = 6;
#endif
  static constexpr int64_t kDepth = 384;

  // c [kRows, kPanel] = a [kRows, depth] @ panel [depth, kPanel], added to what is there where `more` says so.
  static TEXTCNN_INLINE void tile(const T* const* a, int64_t depth, const T* panel, bool more, T* c, int64_t stride) {
    typename V::Lanes sums[kRows][2];
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v)
        sums[i][v] = more ? V::load(c + i * stride + v * kLanes).lanes : typename V::Lanes{};
    for (int64_t k = 0; k < depth; ++k, panel += kPanel) {
      const auto first = V::load(panel).lanes, second = V::load(panel + kLanes).lanes;
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const auto factor = V::fill(a[i][k]).lanes;
        sums[i][0] += factor * first;
        sums[i][1] += factor * second;
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) V{sums[i][v]}.store(c + i * stride + v * kLanes);
  }

  // A tile that reaches beyond the last row or column: computed beside the result.
  static void edge(const T* const* a, int64_t depth, const T* panel, bool more, T* c, int64_t stride, int64_t rows,
                   int64_t columns) {
    T beside[kRows * kPanel] = {};
    if (more)
      for (int64_t i = 0; i < rows; ++i) std::memcpy(beside + i * kPanel, c + i * stride, columns * sizeof(T));
    tile(a, depth, panel, more, beside, kPanel);
    for (int64_t i = 0; i < rows; ++i) std::memcpy(c + i * stride, beside + i * kPanel, columns * sizeof(T));
  }

  static void multiply(const T* a, int64_t a_stride, int64_t rows, int64_t depth, const T* panels, int64_t columns,
                       T* c, int64_t c_stride) {
    for (int64_t begin = 0; begin < depth; begin += kDepth) {
      const int64_t part = depth - begin < kDepth ? depth - begin : kDepth;
      for (int64_t column = 0; column < columns; column += kPanel) {
        const T* panel = panels + column * depth + begin * kPanel;
        for (int64_t row = 0; row < rows; row += kRows) {
          const T* left[kRows];
          for (int64_t i = 0; i < kRows; ++i) left[i] = a + (row + i < rows ? row + i : rows - 1) * a_stride + begin;
          T* target = c + row * c_stride + column;
          if (row + kRows <= rows && column + kPanel <= columns)
            tile(left, part, panel, begin > 0, target, c_stride);
          else
            edge(left, part, panel, begin > 0, target, c_stride, rows - row < kRows ? rows - row : kRows,
                 columns - column < kPanel ? columns - column : kPanel);
        }
      }
    }
  }
};
