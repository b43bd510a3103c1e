// Columns as blocks of vectors that registers can hold. Included by training_kernels.cpp alone.

// Calls block<B>(at, last) for blocks of about equal size, of at most `most` vectors: B vectors from column `at` on,
// side by side but for the last, which begins `last` columns later. The last vector of all ends with the last column:
// some columns are computed twice, none is left out. There are at least as many columns as a vector has lanes.
template <class T, int most, class Block>
TEXTCNN_INLINE void for_blocks(int64_t columns, Block&& block) {
  constexpr int64_t lanes = Vector<T, kRegisterBytes>::kLanes;
  const int64_t vectors = (columns + lanes - 1) / lanes;
  const int64_t blocks = (vectors + most - 1) / most;
  int64_t begin = 0;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t size = vectors / blocks + (i < vectors % blocks);
    const int64_t end = (begin + size) * lanes < columns ? (begin + size) * lanes : columns;
    const int64_t at = size > 1 ? begin * lanes : end - lanes;
    const int64_t last = end - lanes - at;
    switch (size) {
#define TEXTCNN_BLOCK(b) \
  case b:                \
    if constexpr (b <= most) block.template operator()<b>(at, last); \
    break;
      TEXTCNN_BLOCK(1)
      TEXTCNN_BLOCK(2)
      TEXTCNN_BLOCK(3)
      TEXTCNN_BLOCK(4)
      TEXTCNN_BLOCK(5)
      TEXTCNN_BLOCK(6)
      TEXTCNN_BLOCK(7)
      TEXTCNN_BLOCK(8)
      TEXTCNN_BLOCK(9)
      TEXTCNN_BLOCK(10)
      TEXTCNN_BLOCK(11)
      TEXTCNN_BLOCK(12)
      TEXTCNN_BLOCK(13)
#undef TEXTCNN_BLOCK
      default: break;
    }
    begin += size;
  }
}
