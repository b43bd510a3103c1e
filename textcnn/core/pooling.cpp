#include "pooling.hpp"

#include <algorithm>
#include <cmath>

#include "simd.hpp"

namespace textcnn {
namespace {

// Rows that the buffer holds beside the widest window.
constexpr int64_t kBufferRows = 2048;
// Rows at the beginning of a text that are asked for before it is begun.
constexpr int64_t kFirstRows = 10;
// Entries beyond the rows that a prefetch may read, as windows.hpp says.
constexpr int64_t kSpare = 16;
// Windows of one width that are added before the next width has its turn, so that all read a row while it is near.
constexpr int64_t kStretch = 64;

}  // namespace

float activate(float value, Activation activation) {
  switch (activation) {
    case Activation::relu: return value > 0 ? value : 0;
    case Activation::tanh: return static_cast<float>(std::tanh(static_cast<double>(value)));
    case Activation::identity: return value;
    case Activation::sigmoid: return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(value))));
    case Activation::elu: return value > 0 ? value : static_cast<float>(std::expm1(static_cast<double>(value)));
    case Activation::leaky_relu: return value > 0 ? value : 0.01f * value;
    case Activation::softplus:
      return static_cast<float>(std::max(value, 0.0f) + std::log1p(std::exp(-std::fabs(static_cast<double>(value)))));
  }
  return value;
}

Pooling::Pooling(const Tables& tables)
    : tables_(tables),
      capacity_(kBufferRows + 2 * tables.span),
      rows_(kBufferRows + 3 * tables.span + kSpare),
      next_start_(tables.widths.size()),
      windows_(tables.widths.size()),
      maxima_(tables.padded_features * tables.element_bytes()),
      sums_(tables.means ? tables.features : 0),
      recent_(sums_.size()),
      one_(sums_.size()) {}

void Pooling::pool(const int32_t* ids, int64_t count, float* features) {
  if (pool_at_once(ids, count)) return write_features(features);
  begin();
  push(ids, count);
  finish(features);
}

// The windows ask for the rows of later ones as they go: nobody has asked for the first ones.
void Pooling::prepare(const int32_t* ids, int64_t count) const {
  const int64_t first = std::min<int64_t>(count, kFirstRows);
  for (int64_t k = 0; k < first; ++k) {
    const int32_t row = tables_.row_of_id[ids[k]];
    if (row < 0) continue;
    const char* address = tables_.table + row * tables_.row_bytes;
    for (int64_t byte = 0; byte < tables_.row_bytes; byte += 64) prefetch(address + byte);
  }
}

// The maxima of a text that fits the buffer and holds no padding: the same as a push of all its tokens, without the
// bookkeeping. Returns false for any other text.
bool Pooling::pool_at_once(const int32_t* ids, int64_t count) {
  if (count > kBufferRows || count < std::max<int64_t>(1, tables_.dilation)) return false;
  const int64_t left = tables_.left;
  int64_t* rows = rows_.data();
  for (int64_t k = 0; k < left; ++k) rows[k] = tables_.hole;
  const int32_t* row_of_id = tables_.row_of_id.data();
  int32_t any_padding = 0;
  for (int64_t k = 0; k < count; ++k) {
    const int32_t row = row_of_id[ids[k]];
    any_padding |= row;
    rows[left + k] = row * tables_.row_bytes;
  }
  if (any_padding < 0) return false;
  const int64_t filled = left + count;
  for (int64_t k = filled; k < filled + tables_.right; ++k) rows[k] = tables_.hole;
  forget();
  int64_t most = 0;
  for (size_t i = 0; i < tables_.widths.size(); ++i) {
    const Width& width = tables_.widths[i];
    const int64_t room = filled + width.right - (left - width.left + (width.width - 1) * tables_.dilation);
    most = std::max(most, room);
  }
  for (int64_t first = 0; first < most; first += kStretch * tables_.stride)
    for (size_t i = 0; i < tables_.widths.size(); ++i) {
      const Width& width = tables_.widths[i];
      const int64_t start = left - width.left + first;
      const int64_t room = filled + width.right - (start + (width.width - 1) * tables_.dilation);
      if (room <= 0) continue;
      add(i, start, std::min(kStretch, (room + tables_.stride - 1) / tables_.stride));
    }
  return true;
}

void Pooling::forget() {
  std::fill(windows_.begin(), windows_.end(), 0);
  std::fill(sums_.begin(), sums_.end(), 0);
  std::fill(recent_.begin(), recent_.end(), 0.0f);
  if (tables_.int8)
    std::fill(maxima_.begin(), maxima_.end(), static_cast<char>(-128));
  else
    std::fill_n(reinterpret_cast<float*>(maxima_.data()), tables_.padded_features, -INFINITY);
}

// `count` windows of a width that begin at rows_[start]: there is no other place where windows are added.
void Pooling::add(size_t i, int64_t start, int64_t count) {
  kernels().add_windows(tables_, tables_.widths[i], rows_.data(), start, count, maxima_.data());
  if (tables_.means)
    add_to_mean(i, start, count);
  else
    windows_[i] += count;
}

// Activations of a stretch of windows are added as floats, and stretches as doubles. Where a stretch ends depends on the
// text alone and not on its pieces, so that a text in pieces has the same mean.
void Pooling::add_to_mean(size_t i, int64_t start, int64_t count) {
  const Width& width = tables_.widths[i];
  const Activation activation = tables_.activation;
  float *recent = recent_.data() + width.feature_at, *one = one_.data() + width.feature_at;
  const auto add_activations = kernels().add_activations;
  while (count > 0) {
    const int64_t some = std::min(count, kStretch - windows_[i] % kStretch);
    if (activation == Activation::relu || activation == Activation::identity || activation == Activation::leaky_relu) {
      const float slope = activation == Activation::relu ? 0.0f : activation == Activation::identity ? 1.0f : 0.01f;
      add_activations(tables_, width, rows_.data(), start, some, slope, recent);
    } else {
      for (int64_t n = 0; n < some; ++n) {
        std::fill_n(one, width.filters, 0.0f);
        add_activations(tables_, width, rows_.data(), start + n * tables_.stride, 1, 1.0f, one);
        for (int64_t f = 0; f < width.filters; ++f) recent[f] += activate(one[f], activation);
      }
    }
    windows_[i] += some;
    start += some * tables_.stride;
    count -= some;
    if (windows_[i] % kStretch != 0) continue;
    for (int64_t f = 0; f < width.filters; ++f) sums_[width.feature_at + f] += recent[f];
    std::fill_n(recent, width.filters, 0.0f);
  }
}

void Pooling::begin() {
  for (size_t i = 0; i < next_start_.size(); ++i) next_start_[i] = tables_.left - tables_.widths[i].left;
  std::fill_n(rows_.begin(), tables_.left, tables_.hole);
  filled_ = tables_.left;
  pending_holes_ = 0;
  has_holes_ = has_tokens_ = moved_ = false;
  forget();
}

// Padding counts only between other tokens.
void Pooling::push(const int32_t* ids, int64_t count) {
  for (int64_t k = 0; k < count;) {
    const int64_t row = tables_.row_of_id[ids[k]];
    if (row < 0) {
      pending_holes_ += has_tokens_;
      ++k;
      continue;
    }
    if (filled_ == capacity_) make_room();
    if (pending_holes_ > 0) {
      has_holes_ = true;
      rows_[filled_] = tables_.hole;
      --pending_holes_;
    } else {
      has_tokens_ = true;
      rows_[filled_] = row * tables_.row_bytes;
      ++k;
    }
    ++filled_;
  }
}

void Pooling::finish(float* features) {
  if (has_tokens_) {
    std::fill_n(rows_.begin() + filled_, tables_.right, tables_.hole);
    // The rows of a text shorter than the dilation can all fall between the positions that a window reads.
    const bool is_short = !moved_ && filled_ - tables_.left < tables_.dilation;
    slide(is_short || has_holes_, true);
  }
  write_features(features);
}

bool Pooling::has_token(int64_t start, const Width& width) const {
  for (int64_t j = 0; j < width.width; ++j)
    if (rows_[start + j * tables_.dilation] != tables_.hole) return true;
  return false;
}

// Adds every window that the buffer holds whole; at the end of a text also those that hang over it. `check` looks at
// each window, because one may hold no token.
void Pooling::slide(bool check, bool at_end) {
  for (bool any = true; any;) {
    any = false;
    for (size_t i = 0; i < next_start_.size(); ++i) {
      const Width& width = tables_.widths[i];
      const int64_t start = next_start_[i];
      const int64_t end = start + (width.width - 1) * tables_.dilation;
      const int64_t room = filled_ + (at_end ? width.right : 0) - end;
      if (room <= 0) continue;
      const int64_t count = check ? 1 : std::min(kStretch, (room + tables_.stride - 1) / tables_.stride);
      any = true;
      next_start_[i] = start + count * tables_.stride;
      if (check && !has_token(start, width)) continue;
      add(i, start, count);
    }
  }
}

// Works off a full buffer and forgets the rows that no later window reads.
void Pooling::make_room() {
  slide(has_holes_, false);
  int64_t first = filled_;
  for (const int64_t start : next_start_) first = std::min(first, start);
  std::copy(rows_.begin() + first, rows_.begin() + filled_, rows_.begin());
  for (int64_t& start : next_start_) start -= first;
  filled_ -= first;
  moved_ = true;
}

// Scale, bias, activation and layer norm; 0 where a filter has no window. Means come after all maxima.
void Pooling::write_features(float* features) {
  bool any_window = false;
  const Activation activation = tables_.activation;
  for (size_t i = 0; i < windows_.size(); ++i) {
    const Width& width = tables_.widths[i];
    float* own = features + width.feature_at;
    float* mean = tables_.means ? own + tables_.features : nullptr;
    if (windows_[i] == 0) {
      std::fill_n(own, width.filters, 0.0f);
      if (mean != nullptr) std::fill_n(mean, width.filters, 0.0f);
      continue;
    }
    const auto windows = static_cast<double>(windows_[i]);
    if (mean != nullptr)
      for (int64_t f = 0, at = width.feature_at; f < width.filters; ++f, ++at)
        mean[f] = static_cast<float>((sums_[at] + recent_[at]) / windows);
    any_window = true;
    kernels().scale_maxima(tables_, width, maxima_.data(), features);
    if (activation != Activation::relu && activation != Activation::identity)
      for (int64_t f = 0; f < width.filters; ++f) own[f] = activate(own[f], activation);
  }
  if (tables_.norm_weight == nullptr || !any_window) return;
  const int64_t count = tables_.features;
  double mean = 0, variance = 0;
  for (int64_t f = 0; f < count; ++f) mean += features[f];
  mean /= static_cast<double>(count);
  for (int64_t f = 0; f < count; ++f) variance += (features[f] - mean) * (features[f] - mean);
  const double factor = 1 / std::sqrt(variance / static_cast<double>(count) + tables_.norm_epsilon);
  for (int64_t f = 0; f < count; ++f)
    features[f] = static_cast<float>((features[f] - mean) * factor) * tables_.norm_weight[f] + tables_.norm_bias[f];
}

}  // namespace textcnn
