// Training of a bag as fastText trains (Joulin et al. 2016, https://arxiv.org/abs/1607.01759): stochastic gradient descent
// text by text, with a learning rate that falls to 0 in a straight line. Included by training_kernels.cpp alone.
//
// The texts are visited one after the other, in an order drawn anew in each epoch, so that one seed gives one model.

constexpr int64_t kDotLanes = 16;

TEXTCNN_INLINE float bag_dot(const float* a, const float* b, int64_t count) {
  float lanes[kDotLanes] = {};
  int64_t d = 0;
  for (; d + kDotLanes <= count; d += kDotLanes)
    for (int64_t k = 0; k < kDotLanes; ++k) lanes[k] += a[d + k] * b[d + k];
  float sum = 0;
  for (int64_t k = 0; k < kDotLanes; ++k) sum += lanes[k];
  for (; d < count; ++d) sum += a[d] * b[d];
  return sum;
}

TEXTCNN_INLINE void bag_add(float* __restrict to, const float* __restrict from, float factor, int64_t count) {
  for (int64_t d = 0; d < count; ++d) to[d] += factor * from[d];
}

// Numbers of a generator (splitmix64, https://prng.di.unimi.it/splitmix64.c) of which every machine makes the same.
struct BagRandom {
  uint64_t state;
  uint64_t next() {
    uint64_t value = state += 0x9E3779B97F4A7C15u;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
  }
  // A number from 0 to less than `count`.
  int64_t below(int64_t count) { return static_cast<int64_t>(next() % static_cast<uint64_t>(count)); }
};

// One step for one text: the losses change the output matrix and add to the gradient of the text's mean vector.
struct BagStep {
  const BagTraining& training;
  float rate;
  float *hidden, *gradient, *scores;
  double loss = 0;

  float* output(int64_t row) const { return training.output + row * training.columns; }

  // One decision: of `row` for or against.
  void decide(int64_t row, bool target) {
    const float score = 1 / (1 + std::exp(-bag_dot(output(row), hidden, training.columns)));
    move(row, rate * ((target ? 1.0f : 0.0f) - score));
    loss -= std::log(static_cast<double>(target ? score : 1 - score) + 1e-5);
  }
  void move(int64_t row, float step) {
    bag_add(gradient, output(row), step, training.columns);
    bag_add(output(row), hidden, step, training.columns);
  }

  void softmax(int64_t target) {
    float largest = -std::numeric_limits<float>::infinity(), total = 0;
    for (int64_t c = 0; c < training.outputs; ++c) {
      scores[c] = bag_dot(output(c), hidden, training.columns);
      if (scores[c] > largest) largest = scores[c];
    }
    for (int64_t c = 0; c < training.outputs; ++c) total += scores[c] = std::exp(scores[c] - largest);
    for (int64_t c = 0; c < training.outputs; ++c) move(c, rate * ((c == target ? 1.0f : 0.0f) - scores[c] / total));
    loss -= std::log(static_cast<double>(scores[target] / total) + 1e-5);
  }
  void one_vs_all(const int32_t* labels, int64_t count) {
    for (int64_t c = 0; c < training.outputs; ++c) {
      bool target = false;
      for (int64_t k = 0; k < count; ++k) target |= labels[k] == c;
      decide(c, target);
    }
  }
  void path(int64_t target) {
    for (int64_t k = training.path_begins[target]; k < training.path_begins[target + 1]; ++k)
      decide(training.path_nodes[k], training.path_sides[k] != 0);
  }
  void negatives(int64_t target, BagRandom& random) {
    decide(target, true);
    for (int64_t drawn = 0; drawn < training.negative_samples;) {
      const int32_t other = training.negatives[random.below(training.negative_count)];
      if (other == target && training.outputs > 1) continue;
      ++drawn;
      if (other != target) decide(other, false);
    }
  }
};

// One epoch. order: a buffer of the texts' numbers; numbers: a buffer of 2 x columns + outputs values. Returns the mean
// loss of a text.
double train_bag(const BagTraining& training, int64_t* order, float* numbers) {
  const int64_t columns = training.columns;
  BagRandom random{training.seed * 0x2545F4914F6CDD1Du + static_cast<uint64_t>(training.epoch)};
  for (int64_t n = 0; n < training.texts; ++n) order[n] = n;
  for (int64_t n = training.texts - 1; n > 0; --n) {
    const int64_t other = random.below(n + 1), kept = order[n];
    order[n] = order[other];
    order[other] = kept;
  }
  BagStep step{training, 0, numbers, numbers + columns, numbers + 2 * columns};
  int64_t seen = 0;
  for (int64_t n = 0; n < training.texts; ++n) {
    const int64_t text = order[n];
    const int32_t* rows = training.row_indices + training.offsets[text];
    const int64_t count = training.offsets[text + 1] - training.offsets[text];
    const int32_t* labels = training.labels + training.label_offsets[text];
    const int64_t label_count = training.label_offsets[text + 1] - training.label_offsets[text];
    if (count == 0 || label_count == 0) continue;
    const double done = static_cast<double>(training.epoch) + static_cast<double>(n) / static_cast<double>(training.texts);
    step.rate = static_cast<float>(training.learning_rate * (1 - done / static_cast<double>(training.epochs)));
    for (int64_t d = 0; d < columns; ++d) step.hidden[d] = step.gradient[d] = 0;
    for (int64_t k = 0; k < count; ++k) {
      if (k + 4 < count) {
        const float* next = training.input + static_cast<int64_t>(rows[k + 4]) * columns;
        for (int64_t d = 0; d < columns; d += 16) prefetch(next + d);
      }
      bag_add(step.hidden, training.input + static_cast<int64_t>(rows[k]) * columns, 1, columns);
    }
    const float share = 1 / static_cast<float>(count);
    for (int64_t d = 0; d < columns; ++d) step.hidden[d] *= share;
    const int64_t target = labels[label_count == 1 ? 0 : random.below(label_count)];
    switch (training.loss) {
      case BagLoss::softmax: step.softmax(target); break;
      case BagLoss::one_vs_all: step.one_vs_all(labels, label_count); break;
      case BagLoss::tree: step.path(target); break;
      case BagLoss::negatives: step.negatives(target, random); break;
    }
    for (int64_t k = 0; k < count; ++k)
      bag_add(training.input + static_cast<int64_t>(rows[k]) * columns, step.gradient, share, columns);
    ++seen;
  }
  return seen == 0 ? 0 : step.loss / static_cast<double>(seen);
}
