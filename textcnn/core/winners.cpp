// Which window wins each filter of a text, and what the filter would be without it: what an explanation is made of.
#include <algorithm>
#include <cmath>
#include <vector>

#include "error.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

using namespace textcnn;

namespace {

// Texts of a stretch: enough to make the buffers of a thread cheap.
constexpr int64_t kStretchTexts = 64;
// Entries beyond the rows that a prefetch may read, as windows.hpp says.
constexpr int64_t kSpare = 16;

// Where the winners of one text go: [F] each.
struct Outputs {
  float *features, *without, *sums;
  int32_t* start;
};

class Winning {
 public:
  Winning(const Tables& tables, int64_t longest)
      : tables_(tables),
        kernels_(kernels()),
        rows_(tables.left + longest + tables.right + kSpare),
        windows_(tables.widths.size()),
        buffer_(3 * tables.padded_features * tables.element_bytes()),
        best_(tables.padded_features * tables.element_bytes()),
        second_(best_.size()),
        place_(tables.padded_features) {}

  // ids: a text that begins and ends with a token that is no padding, or an empty one.
  void find(const int32_t* ids, int64_t count, const Outputs& out) {
    forget();
    if (count > 0) {
      const bool has_holes = fill(ids, count);
      // The rows of a text shorter than the dilation can all fall between the positions that a window reads.
      if (has_holes || count < tables_.dilation)
        look_at_each(count);
      else
        look_at_all(count);
    }
    for (size_t i = 0; i < windows_.size(); ++i) finish(tables_.widths[i], windows_[i], out);
  }

 private:
  void forget() {
    std::fill(windows_.begin(), windows_.end(), 0);
    for (std::vector<char>* values : {&best_, &second_}) {
      if (tables_.int8)
        std::fill(values->begin(), values->end(), static_cast<char>(-128));
      else
        std::fill_n(reinterpret_cast<float*>(values->data()), tables_.padded_features, -INFINITY);
    }
  }

  // The rows of the tokens between zero vectors; returns whether there is padding among them.
  bool fill(const int32_t* ids, int64_t count) {
    int64_t* rows = rows_.data();
    std::fill_n(rows, tables_.left, tables_.hole);
    rows += tables_.left;
    bool has_holes = false;
    for (int64_t k = 0; k < count; ++k) {
      const int32_t row = tables_.row_of_id[ids[k]];
      has_holes |= row < 0;
      rows[k] = row < 0 ? tables_.hole : row * tables_.row_bytes;
    }
    std::fill_n(rows + count, tables_.right + kSpare, tables_.hole);
    return has_holes;
  }

  // First window of a width in rows_, and the number of its windows.
  int64_t first_of(const Width& width) const { return tables_.left - width.left; }
  int64_t windows_of(const Width& width, int64_t count) const {
    const int64_t room = count + width.left + width.right - (width.width - 1) * tables_.dilation;
    return room > 0 ? (room + tables_.stride - 1) / tables_.stride : 0;
  }

  void add(size_t i, int64_t start, int64_t count) {
    const Width& width = tables_.widths[i];
    // The first window stands for filters whose sums are all the lowest there is.
    if (windows_[i] == 0) std::fill_n(place_.data() + width.maxima_at, width.padded, static_cast<int32_t>(start));
    windows_[i] += count;
    kernels_.find_winners(tables_, width, rows_.data(), start, count, buffer_.data(), best_.data(), second_.data(),
                          place_.data());
  }

  // All windows hold a token. The widths take turns, so that all read a row while it is near.
  void look_at_all(int64_t count) {
    bool any = true;
    for (int64_t first = 0; any; first += kWinnersAtOnce) {
      any = false;
      for (size_t i = 0; i < windows_.size(); ++i) {
        const Width& width = tables_.widths[i];
        const int64_t left = windows_of(width, count) - first;
        if (left <= 0) continue;
        any = true;
        add(i, first_of(width) + first * tables_.stride, std::min(left, kWinnersAtOnce));
      }
    }
  }

  // The same where windows may hold none.
  void look_at_each(int64_t count) {
    for (size_t i = 0; i < windows_.size(); ++i) {
      const Width& width = tables_.widths[i];
      const int64_t windows = windows_of(width, count);
      for (int64_t n = 0; n < windows; ++n) {
        const int64_t start = first_of(width) + n * tables_.stride;
        if (has_token(start, width)) add(i, start, 1);
      }
    }
  }

  bool has_token(int64_t start, const Width& width) const {
    for (int64_t j = 0; j < width.width; ++j)
      if (rows_[start + j * tables_.dilation] != tables_.hole) return true;
    return false;
  }

  void finish(const Width& width, int64_t windows, const Outputs& out) {
    const int64_t at = width.feature_at;
    if (windows < 2) std::fill_n(out.without + at, width.filters, 0.0f);
    if (windows == 0) {
      std::fill_n(out.features + at, width.filters, 0.0f);
      std::fill_n(out.sums + at, width.filters, -INFINITY);
      std::fill_n(out.start + at, width.filters, TEXTCNN_NO_WINDOW);
      return;
    }
    kernels_.finish_winners(tables_, width, best_.data(), place_.data(), static_cast<int32_t>(tables_.left), out.sums,
                            out.start);
    kernels_.scale_maxima(tables_, width, best_.data(), out.features);
    apply_activation(out.features + at, width.filters);
    if (windows < 2) return;
    kernels_.scale_maxima(tables_, width, second_.data(), out.without);
    apply_activation(out.without + at, width.filters);
  }

  void apply_activation(float* values, int64_t count) const {
    if (tables_.activation == Activation::relu || tables_.activation == Activation::identity) return;
    for (int64_t f = 0; f < count; ++f) values[f] = activate(values[f], tables_.activation);
  }

  const Tables& tables_;
  const Kernels& kernels_;
  std::vector<int64_t> rows_;     // bytes of the table, with spare entries that a prefetch may read
  std::vector<int64_t> windows_;  // of each width
  std::vector<char> buffer_, best_, second_;  // of the table's type
  std::vector<int32_t> place_;
};

// The logits that contributions add up to: in double, because thousands of them may cancel.
void add_contributions(const Tables& tables, const float* features, double* logits) {
  constexpr int64_t kLanes = 8;
  const int64_t count = tables.features;
  for (int64_t c = 0; c < tables.classes; ++c) {
    const float* weight = tables.head_weight + c * tables.pooled;
    double lanes[kLanes] = {};
    const int64_t whole = count / kLanes * kLanes;
    for (int64_t f = 0; f < whole; f += kLanes)
      for (int64_t i = 0; i < kLanes; ++i)
        lanes[i] += static_cast<double>(weight[f + i]) * static_cast<double>(features[f + i]);
    for (int64_t f = whole; f < count; ++f)
      lanes[f - whole] += static_cast<double>(weight[f]) * static_cast<double>(features[f]);
    double sum = tables.head_bias[c];
    for (const double lane : lanes) sum += lane;
    logits[c] = sum;
  }
}

// Where the ids of each text lie without padding at both ends. Returns the length of the longest.
int64_t leave_out_padding(const Tables& tables, const int32_t* ids, const int64_t* offsets, int64_t texts,
                          int64_t* begins, int64_t* ends) {
  int64_t longest = 0;
  for (int64_t n = 0; n < texts; ++n) {
    int64_t begin = offsets[n], end = offsets[n + 1];
    while (begin < end && tables.row_of_id[ids[end - 1]] < 0) --end;
    while (begin < end && tables.row_of_id[ids[begin]] < 0) ++begin;
    begins[n] = begin;
    ends[n] = end;
    longest = std::max(longest, end - begin);
  }
  return longest;
}

}  // namespace

int32_t textcnn_winners(const textcnn_tables* tables, const int32_t* ids, const int64_t* offsets, int64_t texts,
                        int32_t threads, float* features, float* without, float* sums, int32_t* start, int64_t* begins,
                        int64_t* ends, double* logits) {
  return guarded<int32_t>(-1, [&] {
    if (tables->norm_weight != nullptr)
      fail("got a model that normalises its pooled features, so that no n-gram has a part of its own; expected "
           "pooled_norm False; train without it");
    check_ids(*tables, ids, offsets, texts);
    const int64_t longest = leave_out_padding(*tables, ids, offsets, texts, begins, ends);
    if (longest + tables->left + tables->right > INT32_MAX - kWinnersAtOnce * tables->stride)
      fail("ids: got a text of " + text_of(longest) + " tokens; expected less than two thousand million");
    parallel(texts, kStretchTexts, threads, [&](int64_t first, int64_t last) {
      int64_t own_longest = 0;
      for (int64_t n = first; n < last; ++n) own_longest = std::max(own_longest, ends[n] - begins[n]);
      Winning winning(*tables, own_longest);
      for (int64_t n = first; n < last; ++n) {
        const int64_t at = n * tables->features;
        winning.find(ids + begins[n], ends[n] - begins[n], {features + at, without + at, sums + at, start + at});
        add_contributions(*tables, features + at, logits + n * tables->classes);
      }
    });
    return 0;
  });
}
