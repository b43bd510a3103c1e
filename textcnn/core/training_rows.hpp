// Sums of chosen rows of a matrix, and the steps of an embedding's rows. Included by training_kernels.cpp alone.

// Terms that are summed apart from others: rounding errors grow with the length of a running sum.
constexpr int64_t kTermsApart = 64;
// Terms between the one that is added and the one whose row is fetched.
constexpr int64_t kTermsAhead = 6;
// Vectors of a block of columns: its part of 1,200 rows fits into the second cache.
constexpr int kSumVectors = 8;

// B vectors of columns side by side, but for the last, which begins at `last`.
template <class T, int B>
void sum_block(const Term<T>* terms, int64_t count, const T* matrix, int64_t columns, int64_t last, T* total) {
  using V = Vector<T, kRegisterBytes>;
  V sums[B];
  for (int b = 0; b < B; ++b) sums[b] = V::fill(0);
  for (int64_t begin = 0; begin < count; begin += kTermsApart) {
    const int64_t end = count - begin < kTermsApart ? count : begin + kTermsApart;
    typename V::Lanes part[B];
    for (int b = 0; b < B; ++b) part[b] = V::fill(0).lanes;
    for (int64_t e = begin; e < end; ++e) {
      const T* row = matrix + terms[e].row * columns;
      const T* later = matrix + terms[e + kTermsAhead < count ? e + kTermsAhead : count - 1].row * columns;
      for (int64_t byte = 0; byte < B * kRegisterBytes; byte += kLineBytes)
        prefetch(reinterpret_cast<const char*>(later) + byte);
      const auto factor = V::fill(terms[e].factor).lanes;
      for (int b = 0; b < B - 1; ++b) part[b] += factor * V::load(row + b * V::kLanes).lanes;
      part[B - 1] += factor * V::load(row + last).lanes;
    }
    for (int b = 0; b < B; ++b) sums[b].lanes += part[b];
  }
  for (int b = 0; b < B - 1; ++b) sums[b].store(total + b * V::kLanes);
  sums[B - 1].store(total + last);
}

// A block of columns after the other, so that those of the matrix stay in a cache while all sums read them.
template <class T>
void sum_rows(const Term<T>* const* terms, const int64_t* sizes, int64_t count, const T* matrix, int64_t columns,
              T* totals) {
  if (columns < Vector<T, kRegisterBytes>::kLanes) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t d = 0; d < columns; ++d) {
        totals[i * columns + d] = 0;
        for (int64_t e = 0; e < sizes[i]; ++e)
          totals[i * columns + d] += terms[i][e].factor * matrix[terms[i][e].row * columns + d];
      }
    return;
  }
  for_blocks<T, kSumVectors>(columns, [&]<int B>(int64_t at, int64_t last) {
    for (int64_t i = 0; i < count; ++i)
      sum_block<T, B>(terms[i], sizes[i], matrix + at, columns, last, totals + i * columns + at);
  });
}

template <class T>
void catch_up_row(T* __restrict weight, T* __restrict mean, T* __restrict square, int64_t columns, T moved,
                  T shrink_mean, T shrink_square, T eps) {
  for (int64_t d = 0; d < columns; ++d) {
    weight[d] -= mean[d] / (std::sqrt(square[d]) + eps) * moved;
    mean[d] *= shrink_mean;
    square[d] *= shrink_square;
  }
}

template <class T>
void step_row(T* __restrict weight, T* __restrict mean, T* __restrict square, const T* __restrict gradient,
              int64_t columns, const Step<T>& step) {
  const T new_mean = step.new_mean, keep_square = step.keep_square, new_square = step.new_square;
  const T rate = step.rate, eps = step.eps;
  for (int64_t d = 0; d < columns; ++d) {
    const T m = mean[d] + (gradient[d] - mean[d]) * new_mean;
    const T v = square[d] * keep_square + gradient[d] * gradient[d] * new_square;
    weight[d] -= m / (std::sqrt(v) + eps) * rate;
    mean[d] = m;
    square[d] = v;
  }
}
