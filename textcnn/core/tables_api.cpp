// The C interface of tables: token ids to features and logits.
#include <vector>

#include "bag_of_ids.hpp"
#include "error.hpp"
#include "head.hpp"
#include "parallel.hpp"
#include "pooling.hpp"

using namespace textcnn;

namespace {

// Texts of a stretch: enough to make the start of a text in progress cheap.
constexpr int64_t kStretchTexts = 64;

}  // namespace

void textcnn::check_ids(const Tables& tables, const int32_t* ids, const int64_t* offsets, int64_t texts) {
  if (texts < 0 || offsets[0] != 0) fail("offsets: got a first offset other than 0; expected offsets that rise from 0");
  for (int64_t n = 0; n < texts; ++n)
    if (offsets[n + 1] < offsets[n]) fail("offsets: got falling offsets at text " + text_of(n) + "; expected them to rise");
  const uint32_t limit = static_cast<uint32_t>(tables.vocab_size);
  for (int64_t k = 0; k < offsets[texts]; ++k)
    if (static_cast<uint32_t>(ids[k]) >= limit)
      fail("ids: got token id " + text_of(ids[k]) + "; expected 0 to " + text_of(tables.vocab_size - 1) +
           "; use the tokenizer that was saved with the model");
}

textcnn_tables* textcnn_tables_open(const textcnn_tables_spec* spec) {
  return guarded<textcnn_tables*>(nullptr, [&] { return new textcnn_tables(*spec); });
}

void textcnn_tables_close(textcnn_tables* tables) { delete tables; }

int32_t textcnn_logits_of_ids(const textcnn_tables* tables, const int32_t* ids, const int64_t* offsets, int64_t texts,
                              int32_t threads, float* features, float* logits) {
  return guarded<int32_t>(-1, [&] {
    check_ids(*tables, ids, offsets, texts);
    parallel(texts, kStretchTexts, threads, [&](int64_t begin, int64_t end) {
      const auto pooling = tables->pooling();
      BagOfIds bag(*tables);
      Head head(*tables, features, logits);
      for (int64_t n = begin; n < end; ++n) {
        float* row = head.features_of(n);
        if (n + 1 < end) pooling->prepare(ids + offsets[n + 1], offsets[n + 2] - offsets[n + 1]);
        pooling->pool(ids + offsets[n], offsets[n + 1] - offsets[n], row);
        head.add(n, n + 1 == end);
        bag.add(ids + offsets[n], offsets[n + 1] - offsets[n], logits + n * tables->classes);
      }
    });
    return 0;
  });
}

int32_t textcnn_activate(float* values, int64_t count, int32_t activation) {
  return guarded<int32_t>(-1, [&] {
    if (activation < 0 || activation > 6) fail("activation: got " + text_of(activation) + "; expected 0 to 6");
    for (int64_t i = 0; i < count; ++i) values[i] = activate(values[i], static_cast<Activation>(activation));
    return 0;
  });
}
