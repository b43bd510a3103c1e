// Sums of the rows of a bag. Included by kernels.cpp alone.
//
// Rows are added in their order, column by column: every machine gives the same bytes.

template <class T, class Sum, int64_t kColumns>
TEXTCNN_INLINE void add_narrow_rows(const char* table, const int64_t* rows, int64_t count, Sum* sums) {
  Sum own[kColumns] = {};
  for (int64_t k = 0; k < count; ++k) {
    T values[kColumns];
    __builtin_memcpy(values, table + rows[k], sizeof(values));
    for (int64_t c = 0; c < kColumns; ++c) own[c] += static_cast<Sum>(values[c]);
  }
  for (int64_t c = 0; c < kColumns; ++c) sums[c] = own[c];
}

template <class T, class Sum>
TEXTCNN_INLINE void add_rows(const char* table, const int64_t* rows, int64_t count, int64_t columns, Sum* __restrict sums) {
  switch (columns) {
    case 1: return add_narrow_rows<T, Sum, 1>(table, rows, count, sums);
    case 2: return add_narrow_rows<T, Sum, 2>(table, rows, count, sums);
    case 3: return add_narrow_rows<T, Sum, 3>(table, rows, count, sums);
    case 4: return add_narrow_rows<T, Sum, 4>(table, rows, count, sums);
    case 5: return add_narrow_rows<T, Sum, 5>(table, rows, count, sums);
    case 6: return add_narrow_rows<T, Sum, 6>(table, rows, count, sums);
    case 7: return add_narrow_rows<T, Sum, 7>(table, rows, count, sums);
    case 8: return add_narrow_rows<T, Sum, 8>(table, rows, count, sums);
  }
  // Sixteen columns at a time stay in registers.
  constexpr int64_t kStep = 16;
  int64_t c = 0;
  for (; c + kStep <= columns; c += kStep)
    add_narrow_rows<T, Sum, kStep>(table + c * static_cast<int64_t>(sizeof(T)), rows, count, sums + c);
  for (; c < columns; ++c) add_narrow_rows<T, Sum, 1>(table + c * static_cast<int64_t>(sizeof(T)), rows, count, sums + c);
}

// sums [columns]: float, or int32 for int8.
void add_bag_rows(const Bag& bag, const int64_t* rows, int64_t count, void* sums) {
  if (bag.int8)
    add_rows<int8_t, int32_t>(bag.table, rows, count, bag.columns, static_cast<int32_t*>(sums));
  else
    add_rows<float, float>(bag.table, rows, count, bag.columns, static_cast<float*>(sums));
}

// logits [C] += output [C, D] @ values [D], in 16 lanes whatever the registers are.
void apply_bag_output(const Bag& bag, const float* values, float* logits) {
  all_dots(bag.output, bag.classes, values, 1, bag.columns, [&](int64_t, int64_t c, float product) { logits[c] += product; });
}
