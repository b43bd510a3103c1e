// What replacing one token of a text can make of linear functions of the features, for every token of the vocabulary.
#include <vector>

#include "error.hpp"
#include "kernels.hpp"
#include "parallel.hpp"

using namespace textcnn;

// Positions of a stretch: what they hold stays in a core's cache while all rows of the table go by.
constexpr int64_t kStretchPositions = 32;

int32_t textcnn_least_of_tokens(const textcnn_tables* tables, const int64_t* vocabulary, int64_t count, int64_t tokens,
                                const float* base, const float* rest, const uint8_t* replaceable,
                                const float* functions, int64_t function_count, int32_t activation, int32_t threads,
                                float* least) {
  return guarded<int32_t>(-1, [&] {
    if (tables->int8) fail("table: got int8, whose sums stop at the ends of their range; expected float32");
    if (tables->means) fail("pooling: got means, which a bound on maxima leaves out; expected maxima alone");
    if (count < 0 || tokens < 0 || function_count < 0)
      fail("least_of_tokens: got a negative number of rows, tokens or functions; expected 0 or more");
    if (activation < 0 || activation > 6) fail("activation: got " + text_of(activation) + "; expected 0 to 6");
    for (int64_t v = 0; v < count; ++v)
      if (vocabulary[v] < 0 || vocabulary[v] >= tables->rows)
        fail("vocabulary: got row " + text_of(vocabulary[v]) + "; expected 0 to " + text_of(tables->rows - 1));
    const Replacements replacements{vocabulary, count,     base,           rest,
                                    replaceable, functions, function_count, static_cast<Activation>(activation), least};
    parallel(tokens, kStretchPositions, threads, [&](int64_t begin, int64_t end) {
      std::vector<float> values(tables->features);
      kernels().least_of_tokens(*tables, replacements, begin, end, values.data());
    });
    return 0;
  });
}
