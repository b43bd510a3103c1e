#include "fasttext_model.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "error.hpp"
#include "json.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

constexpr const char* kFormat = "textcnn-fasttext-lines-1";
constexpr const char* kRemedy = "export the model again";

int32_t number_of(const Json& settings, const char* name) {
  const int64_t number = settings[name].integer_or(0);
  if (number < 0 || number > INT32_MAX)
    fail(std::string("config.json: ") + name + ": got " + text_of(number) + "; expected 0 or more; " + kRemedy);
  return static_cast<int32_t>(number);
}

// Words one after the other, without what ends each line, and where each of them ends.
struct Lines {
  std::string bytes;
  std::vector<int64_t> ends;

  explicit Lines(std::string_view text) {
    if (!text.empty() && text.back() != '\n') fail(std::string("words: got a last line without an end; ") + kRemedy);
    bytes.reserve(text.size());
    ends.reserve(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')));
    while (!text.empty()) {
      const size_t size = text.find('\n');
      add(text.substr(0, size));
      text.remove_prefix(size + 1);
    }
  }
  void add(std::string_view word) {
    bytes += word;
    ends.push_back(static_cast<int64_t>(bytes.size()));
  }
};

std::vector<int32_t> rows_of_buckets(const std::vector<int32_t>& gaps, int32_t buckets, int64_t words) {
  std::vector<int32_t> rows(static_cast<size_t>(buckets), -1);
  int64_t bucket = 0, row = words;
  for (const int32_t gap : gaps) {
    bucket += gap;
    if (gap < 0 || bucket >= buckets)
      fail("bucket_gaps: got the bucket " + text_of(bucket) + "; expected less than " + text_of(buckets) + "; " + kRemedy);
    rows[static_cast<size_t>(bucket)] = static_cast<int32_t>(row++);
  }
  return rows;
}

}  // namespace

FastTextModel::FastTextModel(std::string_view config_json, std::string_view tables) {
  if (const int64_t at = first_invalid_utf8(config_json); at >= 0)
    fail("config.json: got a byte that is not UTF-8 at " + text_of(at) + "; it is damaged: copy it again");
  const Json config = Json::parse(config_json, "config.json");
  const Json& settings = config["fasttext"];
  if (!settings.is_object()) fail(std::string("config.json: got no entry fasttext; expected a converted model; ") + kRemedy);
  const SafeTensors tensors(tables, "folded.safetensors");
  check_file(tensors, kFormat, kRemedy);

  Lines lines(tensors.get("words", "I8", 1).bytes());
  const auto words = static_cast<int64_t>(lines.ends.size());
  const std::string label_prefix = settings["label_prefix"].text_or("");
  for (const auto& [id, label] : config["id2label"].members()) lines.add(label_prefix + label.text());
  const auto labels = static_cast<int64_t>(lines.ends.size()) - words;
  const std::string prefix = settings["skipped_prefix"].text_or("");
  textcnn_words_spec words_spec{};
  words_spec.bytes = lines.bytes.data();
  words_spec.ends = lines.ends.data();
  words_spec.words = words;
  words_spec.labels = labels;
  words_spec.prefix = prefix.data();
  words_spec.prefix_bytes = static_cast<int64_t>(prefix.size());
  words_spec.buckets = number_of(settings, "buckets");
  words_spec.min_n = number_of(settings, "min_n");
  words_spec.max_n = number_of(settings, "max_n");
  words_ = std::make_unique<textcnn_words>(words_spec);

  const bool has_tree = settings["loss"].text_or("") == "hs";
  textcnn_bag_spec spec{};
  spec.classes = has_tree ? std::max<int64_t>(1, labels - 1) : labels;
  spec.first_bucket_row = words;
  spec.ngrams = number_of(settings, "word_ngrams");
  spec.buckets = spec.ngrams > 1 || words_spec.max_n > 0 ? words_spec.buckets : 0;
  // The scores of a tree are no logits: its log-probabilities are divided by the temperature.
  spec.multiplier = has_tree ? 1 : 1 / temperature_of(config);
  spec.pooling = 1;
  copies_.read_table(tensors, "table", "scale", "output", spec);
  std::vector<int32_t> row_of_bucket;
  if (tensors.has("bucket_gaps")) {
    row_of_bucket = rows_of_buckets(tensors.get("bucket_gaps", "I32", 1).values<int32_t>(), static_cast<int32_t>(spec.buckets), words);
    if (spec.buckets > 0) spec.row_of_bucket = row_of_bucket.data();
  }
  bag_ = std::make_unique<textcnn_bag>(spec);
}

}  // namespace textcnn

using namespace textcnn;

textcnn_fasttext* textcnn_fasttext_open_memory(const char* config, size_t config_bytes, const char* tables, size_t tables_bytes) {
  return guarded<textcnn_fasttext*>(nullptr, [&] {
    return new textcnn_fasttext({config, config_bytes}, {tables, tables_bytes});
  });
}

void textcnn_fasttext_close(textcnn_fasttext* model) { delete model; }

const textcnn_words* textcnn_fasttext_words(const textcnn_fasttext* model) { return &model->words(); }

const textcnn_bag* textcnn_fasttext_bag(const textcnn_fasttext* model) { return &model->bag(); }
