#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "bag_of_ids.hpp"
#include "digest.hpp"
#include "error.hpp"
#include "json.hpp"
#include "kernels.hpp"
#include "pooling.hpp"
#include "utf8.hpp"

namespace textcnn {
namespace {

constexpr const char* kFormat = "textcnn-folded-2";

int32_t number_of(const std::string& name, std::initializer_list<const char*> names, const char* setting) {
  int32_t number = 0;
  for (const char* own : names) {
    if (name == own) return number;
    ++number;
  }
  fail(std::string("config.json: ") + setting + ": got " + name + ", which does not exist; copy it again");
}

// The settings that the tables were folded with, and the tokenizer that config.json knows, are those that are here.
void check_belongs(const Json& config, std::string_view tokenizer_json, const SafeTensors& tensors) {
  if (const auto made_of = tensors.metadata().find("config"); made_of != tensors.metadata().end()) {
    const Json folded = Json::parse(made_of->second, "folded.safetensors: config");
    for (const auto& [name, value] : folded.members())
      if (!(config[name] == value) && !(name == "num_members" && config[name].is_null()))
        fail("folded.safetensors was folded with another " + name + " than config.json says; fold the model again");
  }
  const std::string said = config["digests"]["files"]["tokenizer.json"].text_or("");
  const std::string found = hex_of(digest(tokenizer_json));
  if (!said.empty() && said != found)
    fail("tokenizer.json: got the digest " + found + "; expected " + said + ", as config.json says; copy it again");
}

}  // namespace

Model::Model(std::string_view config_json, std::string_view tokenizer_json, std::string_view tables_bytes) {
  for (const auto& [text, name] : {std::pair{config_json, "config.json"}, {tokenizer_json, "tokenizer.json"}})
    if (const int64_t at = first_invalid_utf8(text); at >= 0)
      fail(std::string(name) + ": got a byte that is not UTF-8 at " + text_of(at) + "; it is damaged: copy it again");
  const Json config = Json::parse(config_json, "config.json");
  // Models whose filters have several features are put together by the Python runtime.
  const std::string pooling = config["pooling"].text_or("max");
  if ((pooling != "max" && pooling != "max_mean") || config["num_experts"].number_or(1) != 1)
    fail("config.json: got the pooling " + pooling + " and " +
         text_of(static_cast<int64_t>(config["num_experts"].number_or(1))) +
         " experts; the C interface has the poolings max and max_mean and one bank; answer with Python");
  // Their tasks and temperatures are applied by the Python runtime.
  if (config["heads"].is_array())
    fail("config.json: got several heads; expected one, as the C interface answers; answer with Python, or save a head by itself: "
         "textcnn.load(...).heads[...].save(...)");
  // So are the cut points of ordered levels, which share one logit.
  if (config["problem_type"].text_or("") == "ordinal")
    fail("config.json: got problem_type ordinal; expected labels without order, as the C interface answers; answer with Python");
  const SafeTensors tensors(tables_bytes, "folded.safetensors");
  check_file(tensors, kFormat, "fold the model again");
  check_belongs(config, tokenizer_json, tensors);
  tokenizer_ = std::make_unique<textcnn_tokenizer>(tokenizer_json);

  labels_.resize(config["id2label"].members().size());
  for (const auto& [key, label] : config["id2label"].members()) {
    const auto index = static_cast<size_t>(std::strtoll(key.c_str(), nullptr, 10));
    if (index >= labels_.size()) fail("config.json: id2label: got id " + key + "; expected 0 to one less than the labels");
    labels_[index] = label.text();
  }
  multi_label_ = config["problem_type"].text_or("") == "multi_label_classification";
  regression_ = config["problem_type"].text_or("") == "regression";
  const int64_t members = config["num_members"].integer_or(1);
  for (const Json& size : config["kernel_sizes"].items()) kernel_sizes_.push_back(size.integer());
  const Json& filters = config["num_filters"];
  for (size_t i = 0; i < kernel_sizes_.size(); ++i) {
    if (filters.is_array() && filters.items().size() != kernel_sizes_.size())
      fail("config.json: num_filters: got another number than of kernel_sizes; copy it again");
    num_filters_.push_back(members * (filters.is_array() ? filters.items()[i].integer() : filters.integer()));
  }

  textcnn_tables_spec spec{};
  spec.vocab_size = config["vocab_size"].integer();
  spec.kernel_sizes = kernel_sizes_.data();
  spec.num_filters = num_filters_.data();
  spec.widths = static_cast<int64_t>(kernel_sizes_.size());
  spec.classes = static_cast<int64_t>(labels_.size());
  spec.stride = config["stride"].integer_or(1);
  spec.dilation = config["dilation"].integer_or(1);
  spec.padding = number_of(config["padding"].text_or("wide"), {"wide", "same", "valid"}, "padding");
  spec.activation = number_of(config["activation"].text_or("relu"),
                              {"relu", "tanh", "identity", "sigmoid", "elu", "leaky_relu", "softplus"}, "activation");
  spec.norm_epsilon = config["layer_norm_eps"].number_or(1e-5);
  const auto floats = [&](const char* name, int64_t count) { return copies_.floats(tensors, name, 1, count); };
  spec.features = tensors.get("scale", "F32", 1).count();
  spec.means = pooling == "max_mean";
  const int64_t pooled = spec.means ? 2 * spec.features : spec.features;
  spec.scale = floats("scale", spec.features);
  spec.bias = floats("bias", spec.features);
  if (config["pooled_norm"].boolean_or(false)) {
    spec.norm_weight = floats("norm_weight", spec.features);
    spec.norm_bias = floats("norm_bias", spec.features);
  }
  const Tensor& ids = tensors.get("row_of_id", "I32", 1);
  if (ids.count() != spec.vocab_size || ids.count() == 0)
    fail("folded.safetensors: row_of_id has another size than vocab_size; fold the model again");
  const std::vector<int32_t> rows = ids.values<int32_t>();
  spec.row_of_id = rows.data();

  if (spec.widths == 0) {
    // Rows only tell tokens from padding.
    spec.rows = int64_t{*std::max_element(rows.begin(), rows.end())} + 2;
    made_table_.resize(1);
    spec.table = made_table_.data();
    spec.is_int8 = 1;
  } else if (tensors.has("vectors")) {
    const Tensor &vectors = tensors.get("vectors", "I8", 2), &weights = tensors.get("filters", "F16", 2);
    if (vectors.shape[1] != weights.shape[0]) fail("folded.safetensors: vectors and filters do not fit; fold the model again");
    spec.rows = vectors.shape[0];
    spec.columns = weights.shape[1];
    made_table_.resize(static_cast<size_t>(spec.rows * spec.columns));
    const std::vector<uint16_t> halves = weights.values<uint16_t>();
    table_of_factors(reinterpret_cast<const int8_t*>(vectors.data), halves.data(), spec.rows, vectors.shape[1], spec.columns,
                     made_table_.data());
    spec.table = made_table_.data();
    spec.is_int8 = 1;
  } else {
    spec.is_int8 = tensors.type("table") == "I8";
    const Tensor& table = tensors.get("table", spec.is_int8 ? "I8" : "F32", 2);
    spec.rows = table.shape[0];
    spec.columns = table.shape[1];
    spec.table = table.data;
  }

  const Tensor &weight = tensors.get("head_weight", "F32", 2), &bias = tensors.get("head_bias", "F32", 1);
  if (weight.shape[0] != spec.classes || weight.shape[1] != pooled || bias.count() != spec.classes)
    fail("folded.safetensors: the head has another shape than config.json says; fold the model again");
  const double temperature = temperature_of(config);
  const auto divided = [&](const Tensor& tensor) {
    std::vector<float> out = tensor.values<float>();
    for (float& value : out) value /= static_cast<float>(temperature);
    return out;
  };
  head_weight_ = divided(weight);
  head_bias_ = divided(bias);
  spec.head_weight = head_weight_.data();
  spec.head_bias = head_bias_.data();
  read_bag(config, tensors, rows, temperature);
  spec.bag = bag_.get();
  tables_ = std::make_unique<textcnn_tables>(spec);
  if (tokenizer_->vocab_size() > spec.vocab_size)
    fail("tokenizer.json: got " + text_of(tokenizer_->vocab_size()) + " tokens; expected at most the model's " +
         text_of(spec.vocab_size) + "; use the one that was saved with the model");
}

void Model::read_bag(const Json& config, const SafeTensors& tensors, const std::vector<int32_t>& row_of_id, double temperature) {
  const std::string pooling = config["bag"].text_or("none");
  if (pooling == "none") return;
  textcnn_bag_spec spec{};
  spec.pooling = number_of(pooling, {"sum", "mean", "sqrtn"}, "bag");
  spec.ngrams = config["bag_ngrams"].integer_or(1);
  spec.buckets = spec.ngrams > 1 ? config["bag_buckets"].integer_or(0) : 0;
  spec.classes = static_cast<int64_t>(labels_.size());
  spec.multiplier = 1 / temperature;
  copies_.read_table(tensors, "bag_table", "bag_scale", "bag_output", spec);
  std::vector<int32_t> row_of_bucket;
  if (tensors.has("bag_row_of_bucket")) {
    const Tensor& rows = tensors.get("bag_row_of_bucket", "I32", 1);
    if (rows.count() != spec.buckets) fail("folded.safetensors: bag_row_of_bucket has another size than bag_buckets; fold the model again");
    row_of_bucket = rows.values<int32_t>();
    spec.row_of_bucket = row_of_bucket.data();
    spec.first_bucket_row = int64_t{*std::max_element(row_of_id.begin(), row_of_id.end())} + 1;
  } else {
    spec.first_bucket_row = spec.rows - spec.buckets;
  }
  bag_ = std::make_unique<textcnn_bag>(spec);
}

std::unique_ptr<textcnn_model> Model::open(const std::string& directory) {
  const FileBytes config(directory + "/config.json"), tokenizer(directory + "/tokenizer.json");
  auto tables = std::make_unique<FileBytes>(directory + "/folded.safetensors");
  auto model = std::make_unique<textcnn_model>(config.bytes(), tokenizer.bytes(), tables->bytes());
  model->file_ = std::move(tables);
  return model;
}

int64_t Model::classify(std::string_view text, float* probabilities) const {
  if (const int64_t at = first_invalid_utf8(text); at >= 0) fail("text: got a byte that is not UTF-8 at " + text_of(at));
  const auto workspace = tokenizer_->workspace();
  const auto pooling = tables_->pooling();
  std::vector<float> features(static_cast<size_t>(tables_->pooled));
  pooling->begin();
  BagOfIds bag(*tables_);
  bag.begin();
  tokenizer_->encode_pieces(text, *workspace, workspace->ids, [&](const Ids& piece) {
    pooling->push(piece.values.data(), piece.count);
    bag.push(piece.values.data(), piece.count);
  });
  pooling->finish(features.data());
  kernels().apply_head(*tables_, features.data(), 1, probabilities);
  bag.finish(probabilities);
  const auto count = static_cast<int64_t>(labels_.size());
  const int64_t best = std::max_element(probabilities, probabilities + count) - probabilities;
  if (regression_) return best;
  if (multi_label_) {
    for (int64_t c = 0; c < count; ++c) probabilities[c] = 1 / (1 + std::exp(-probabilities[c]));
    return best;
  }
  const float largest = probabilities[best];
  float total = 0;
  for (int64_t c = 0; c < count; ++c) total += probabilities[c] = std::exp(probabilities[c] - largest);
  for (int64_t c = 0; c < count; ++c) probabilities[c] /= total;
  return best;
}

}  // namespace textcnn

using namespace textcnn;

textcnn_model* textcnn_open(const char* directory) {
  return guarded<textcnn_model*>(nullptr, [&] {
    try {
      return Model::open(directory).release();
    } catch (const NotCompiled& why) {
      fail("tokenizer.json is not compiled (" + why.reason + "); use the model from Python");
    }
  });
}

textcnn_model* textcnn_open_memory(const char* config, size_t config_bytes, const char* tokenizer, size_t tokenizer_bytes,
                                   const char* tables, size_t tables_bytes) {
  return guarded<textcnn_model*>(nullptr, [&] {
    try {
      return new textcnn_model({config, config_bytes}, {tokenizer, tokenizer_bytes}, {tables, tables_bytes});
    } catch (const NotCompiled& why) {
      fail("tokenizer.json is not compiled (" + why.reason + "); use the model from Python");
    }
  });
}

void textcnn_close(textcnn_model* model) { delete model; }

int64_t textcnn_classes(const textcnn_model* model) { return static_cast<int64_t>(model->labels().size()); }

const char* textcnn_label(const textcnn_model* model, int64_t index) {
  const auto& labels = model->labels();
  return index >= 0 && index < static_cast<int64_t>(labels.size()) ? labels[static_cast<size_t>(index)].c_str() : nullptr;
}

const textcnn_tables* textcnn_model_tables(const textcnn_model* model) { return &model->tables(); }

const textcnn_tokenizer* textcnn_model_tokenizer(const textcnn_model* model) { return &model->tokenizer(); }

int64_t textcnn_classify(const textcnn_model* model, const char* text, size_t bytes, float* probabilities) {
  return guarded<int64_t>(-1, [&] { return model->classify({text, bytes}, probabilities); });
}
