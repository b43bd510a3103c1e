// The n-grams of one text and label: what filters contribute through the same tokens, added up and shared among them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "error.hpp"
#include "tables.hpp"

using namespace textcnn;

namespace {

// Where a filter won, as tokens of the text.
struct Place {
  int64_t first, last;  // tokens that its window reads
  int64_t filter;
  bool operator<(const Place& other) const {
    if (first != other.first) return first < other.first;
    return last != other.last ? last < other.last : filter < other.filter;
  }
  bool same_tokens(const Place& other) const { return first == other.first && last == other.last; }
};

// What of a window lies within the text: positions before and after it are no tokens.
Place within_text(const Tables& tables, const Width& width, int64_t start, int64_t tokens, int64_t filter) {
  const int64_t step = tables.dilation;
  Place place{start, start + (width.width - 1) * step, filter};
  if (place.first < 0) place.first += (-place.first + step - 1) / step * step;
  if (place.last >= tokens) place.last -= (place.last - tokens + step) / step * step;
  if (start < -(width.width - 1) * step || start >= tokens || place.first > place.last)
    fail("start: got a window at token " + text_of(start) + " of " + text_of(tokens) + "; expected one that reads a token");
  return place;
}

// What of its filter's contribution each token of a window has: its own term and an equal part of the bias.
class Shares {
 public:
  Shares(const Tables& tables, const std::vector<int64_t>& rows) : tables_(tables), rows_(rows) {}

  // total: the contribution. sum: of the window, with the bias. Adds to shares, of which the first is that of `first`.
  void add(const Width& width, int64_t filter, int64_t start, int64_t first, double sum, double total, double* shares) {
    const int64_t tokens = static_cast<int64_t>(rows_.size());
    const int64_t column = width.column_bytes / tables_.element_bytes() + filter - width.feature_at;
    terms_.assign(width.width, NAN);
    int64_t real = 0;
    double sum_of_terms = 0;
    for (int64_t j = 0; j < width.width; ++j) {
      const int64_t place = start + j * tables_.dilation;
      if (place < 0 || place >= tokens || rows_[place] < 0) continue;
      terms_[j] = term(rows_[place] * tables_.columns + column + j * width.padded) * tables_.scale[filter];
      sum_of_terms += terms_[j];
      ++real;
    }
    const double bias = (sum - sum_of_terms) / static_cast<double>(std::max<int64_t>(1, real));
    double whole = 0;
    for (const double own : terms_)
      if (!std::isnan(own)) whole += own + bias;
    for (int64_t j = 0; j < width.width; ++j) {
      if (std::isnan(terms_[j])) continue;
      shares[(start + j * tables_.dilation - first) / tables_.dilation] +=
          whole != 0 ? (terms_[j] + bias) * (total / whole) : total / static_cast<double>(real);
    }
  }

 private:
  double term(int64_t at) const {
    return tables_.int8 ? reinterpret_cast<const int8_t*>(tables_.table)[at]
                        : static_cast<double>(reinterpret_cast<const float*>(tables_.table)[at]);
  }

  const Tables& tables_;
  const std::vector<int64_t>& rows_;  // of the tokens, -1 for padding
  std::vector<double> terms_;
};

}  // namespace

int64_t textcnn_ngrams(const textcnn_tables* tables, const int32_t* ids, int64_t tokens, const float* features,
                       const float* without, const float* sums, const int32_t* start, const double* weight,
                       int64_t* ends, double* weights, double* losses, int64_t* filters, int64_t* filter_begins,
                       double* shares, int64_t* share_begins) {
  return guarded<int64_t>(-1, [&] {
    const int64_t offsets[2] = {0, tokens};
    if (tokens < 0) fail("tokens: got " + text_of(tokens) + "; expected 0 or more");
    check_ids(*tables, ids, offsets, 1);
    std::vector<int64_t> rows(ids, ids + tokens);
    for (int64_t& row : rows) row = tables->row_of_id[row];
    std::vector<Place> places;
    std::vector<const Width*> width_of(tables->features);
    for (const Width& width : tables->widths)
      for (int64_t f = width.feature_at; f < width.feature_at + width.filters; ++f) {
        width_of[f] = &width;
        if (start[f] != TEXTCNN_NO_WINDOW && weight[f] != 0 && (features[f] != 0 || without[f] != 0))
          places.push_back(within_text(*tables, width, start[f], tokens, f));
      }
    std::sort(places.begin(), places.end());
    Shares sharing(*tables, rows);
    int64_t count = 0;
    filter_begins[0] = share_begins[0] = 0;
    for (size_t k = 0; k < places.size(); ++k) {
      const Place& place = places[k];
      const int64_t f = place.filter;
      if (k == 0 || !place.same_tokens(places[k - 1])) {
        ends[2 * count] = place.first;
        ends[2 * count + 1] = place.last;
        weights[count] = losses[count] = 0;
        int64_t at = share_begins[count];
        for (int64_t token = place.first; token <= place.last; token += tables->dilation)
          shares[at++] = rows[token] < 0 ? std::numeric_limits<double>::quiet_NaN() : 0;
        share_begins[++count] = at;
      }
      const int64_t g = count - 1;
      filters[k] = f;
      filter_begins[count] = static_cast<int64_t>(k) + 1;
      const double total = weight[f] * static_cast<double>(features[f]);
      weights[g] += total;
      losses[g] += weight[f] * (static_cast<double>(features[f]) - static_cast<double>(without[f]));
      sharing.add(*width_of[f], f, start[f], place.first, sums[f], total, shares + share_begins[g]);
    }
    return count;
  });
}
