// The C interface of training: the operator and the optimizer of embedding rows.
#include <cmath>

#include "error.hpp"
#include "training_operator.hpp"

using namespace textcnn;

namespace {

void check_rows(const textcnn_rows_spec& spec, const int64_t* chosen, int64_t count) {
  for (int64_t r = 0; r < count; ++r)
    if (chosen[r] < 0 || chosen[r] >= spec.rows)
      fail("rows: got " + text_of(chosen[r]) + "; expected 0 to " + text_of(spec.rows - 1));
}

// An embedding's arrays with their type.
template <class T>
struct Rows {
  explicit Rows(const textcnn_rows_spec& spec)
      : columns(spec.columns),
        weight(static_cast<T*>(spec.weight)),
        mean(static_cast<T*>(spec.mean)),
        square(static_cast<T*>(spec.square)),
        last(static_cast<T*>(spec.last)) {}

  int64_t columns;
  T *weight, *mean, *square, *last;
};

template <class T>
void catch_up(const Rows<T>& rows, const int64_t* chosen, int64_t count, int64_t step, const double* moves,
              const double* mean_powers, const double* square_powers, int64_t gaps, double eps) {
  for (int64_t r = 0; r < count; ++r) {
    const double behind = static_cast<double>(step) - static_cast<double>(rows.last[chosen[r]]);
    if (!(behind > 0)) continue;
    if (!(behind < static_cast<double>(gaps)))
      fail("rows: got row " + text_of(chosen[r]) + ", more steps behind than the longest gap of " + text_of(gaps - 1));
    const int64_t gap = static_cast<int64_t>(behind), at = chosen[r] * rows.columns;
    training_functions<T>().catch_up_row(rows.weight + at, rows.mean + at, rows.square + at, rows.columns,
                                         static_cast<T>(moves[gap]), static_cast<T>(mean_powers[gap]),
                                         static_cast<T>(square_powers[gap]), static_cast<T>(eps));
    rows.last[chosen[r]] = static_cast<T>(step);
  }
}

template <class T>
void step_rows(const Rows<T>& rows, const int64_t* chosen, int64_t count, const T* gradient, int64_t step,
               const Step<T>& numbers) {
  for (int64_t r = 0; r < count; ++r) {
    const int64_t at = chosen[r] * rows.columns;
    training_functions<T>().step_row(rows.weight + at, rows.mean + at, rows.square + at, gradient + r * rows.columns,
                                     rows.columns, numbers);
    rows.last[chosen[r]] = static_cast<T>(step);
  }
}

}  // namespace

int32_t textcnn_ngram_max(const textcnn_ngram_max_spec* spec, const void* const* biases, void* pooled,
                          int64_t* winners) {
  return guarded<int32_t>(-1, [&] {
    const Texts texts(*spec);
    const auto run = [&]<class T>(T* output) {
      ngram_max<T>(texts, reinterpret_cast<const T* const*>(biases), output, winners);
    };
    spec->is_float64 ? run(static_cast<double*>(pooled)) : run(static_cast<float*>(pooled));
    return 0;
  });
}

int32_t textcnn_ngram_max_gradients(const textcnn_ngram_max_spec* spec, const int64_t* winners, const void* gradient,
                                    double dense, void* vectors_gradient, void* const* weight_gradients,
                                    void* const* bias_gradients) {
  return guarded<int32_t>(-1, [&] {
    const Texts texts(*spec);
    const auto run = [&]<class T>(const T* upstream) {
      ngram_max_gradients<T>(texts, winners, upstream, dense, static_cast<T*>(vectors_gradient),
                             reinterpret_cast<T* const*>(weight_gradients),
                             reinterpret_cast<T* const*>(bias_gradients));
    };
    spec->is_float64 ? run(static_cast<const double*>(gradient)) : run(static_cast<const float*>(gradient));
    return 0;
  });
}

int32_t textcnn_catch_up_rows(const textcnn_rows_spec* spec, const int64_t* chosen, int64_t count, int64_t step,
                              const double* moves, const double* mean_powers, const double* square_powers,
                              int64_t gaps, double eps) {
  return guarded<int32_t>(-1, [&] {
    check_rows(*spec, chosen, count);
    const auto run = [&](const auto& rows) {
      catch_up(rows, chosen, count, step, moves, mean_powers, square_powers, gaps, eps);
    };
    spec->is_float64 ? run(Rows<double>(*spec)) : run(Rows<float>(*spec));
    return 0;
  });
}

int32_t textcnn_step_rows(const textcnn_rows_spec* spec, const int64_t* chosen, int64_t count, const void* gradient,
                          int64_t step, double beta1, double beta2, double rate, double eps) {
  return guarded<int32_t>(-1, [&] {
    check_rows(*spec, chosen, count);
    const auto run = [&]<class T>(const T* values) {
      const Step<T> numbers = {static_cast<T>(1 - beta1), static_cast<T>(beta2), static_cast<T>(1 - beta2),
                               static_cast<T>(rate), static_cast<T>(eps)};
      step_rows<T>(Rows<T>(*spec), chosen, count, values, step, numbers);
    };
    spec->is_float64 ? run(static_cast<const double*>(gradient)) : run(static_cast<const float*>(gradient));
    return 0;
  });
}
