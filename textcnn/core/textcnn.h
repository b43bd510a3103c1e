/* The C interface of textcnn's compiled core.
 *
 * Plain pointers and sizes. A function that can fail returns a code (0 or a count for success, a negative number for
 * an error) or a pointer (NULL for an error); `textcnn_error` then returns the message. Nothing throws or aborts
 * across this interface. Any number of threads may use one handle at once, and handles survive a fork.
 *
 * Shapes: N texts, T tokens, V vocabulary, F filters of all widths, C classes, I widths.
 */
#ifndef TEXTCNN_H
#define TEXTCNN_H

#include <stdint.h>
#include <stddef.h>

#if defined(_WIN32)
#define TEXTCNN_API __declspec(dllexport)
#else
#define TEXTCNN_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The library ------------------------------------------------------------------------------------------- */

/* Version of this interface: a caller that was written for another one must not go on. */
#define TEXTCNN_ABI 4
TEXTCNN_API int32_t textcnn_abi(void);

/* The message of the last error on this thread. */
TEXTCNN_API const char *textcnn_error(void);

/* Instructions in use: "avx512", "avx2", "sse2", "neon", "wasm128" or "plain". `textcnn_use_instructions` chooses
 * them by name; 0, or -1 where this machine lacks them. */
TEXTCNN_API const char *textcnn_instructions(void);
TEXTCNN_API int32_t textcnn_use_instructions(const char *name);

/* XXH64 of some bytes, which finds damage to a file. */
TEXTCNN_API uint64_t textcnn_digest(const void *data, size_t bytes, uint64_t seed);

/* ---- A model that is read from its directory ------------------------------------------------------------------ */

typedef struct textcnn_model textcnn_model;

/* Open a folded artifact: config.json, tokenizer.json and folded.safetensors. */
TEXTCNN_API textcnn_model *textcnn_open(const char *directory);
/* The same from the contents of the three files, of which the last must stay as it is. */
TEXTCNN_API textcnn_model *textcnn_open_memory(const char *config, size_t config_bytes, const char *tokenizer,
                                               size_t tokenizer_bytes, const char *tables, size_t tables_bytes);
TEXTCNN_API void textcnn_close(textcnn_model *model);
TEXTCNN_API int64_t textcnn_classes(const textcnn_model *model);
TEXTCNN_API const char *textcnn_label(const textcnn_model *model, int64_t index);

/* The tables and the tokenizer of a model, for the functions below; they are the model's and are closed with it. */
TEXTCNN_API const struct textcnn_tables *textcnn_model_tables(const textcnn_model *model);
TEXTCNN_API const struct textcnn_tokenizer *textcnn_model_tokenizer(const textcnn_model *model);

/* Write the probabilities [C] of one UTF-8 text, or the numbers of a regression; return the number of the largest. */
TEXTCNN_API int64_t textcnn_classify(const textcnn_model *model, const char *text, size_t bytes,
                                     float *probabilities);

/* ---- Bags of n-grams --------------------------------------------------------------------------------------------
 *
 * A text is an array of rows of a table and an array of signed 32-bit hashes, one for each word or token; the two may
 * have different lengths. n-grams of 2 to `ngrams` successive hashes add rows as well: h = h * 116049371 + next in
 * unsigned 64 bits over the sign-extended hashes, bucket = h mod buckets, row = first_bucket_row + bucket or
 * row_of_bucket[bucket]. The logits are the sum of all rows or their mean, times the second factor where there is one,
 * times the multiplier; 0 for a text that adds no row. */

typedef struct textcnn_bag textcnn_bag;

/* Pointers must stay valid as long as the handle does. */
typedef struct {
  int64_t rows;                 /* rows of the table */
  int64_t columns;              /* values in a row: C, or those of the second factor */
  int64_t classes;              /* C */
  int64_t first_bucket_row;     /* rows before it belong to words or tokens */
  int64_t buckets;              /* 0 without n-grams */
  int64_t ngrams;               /* longest n-gram; 1 for none */
  const void *table;            /* [rows, columns] float32 or int8 */
  const float *scale;           /* [columns] of int8: value of one step; NULL for float32 */
  const float *output;          /* [C, columns] the second factor, or NULL */
  const int32_t *row_of_bucket; /* [buckets] row of each bucket, -1 for none; NULL: first_bucket_row + bucket */
  double multiplier;            /* 1 / temperature */
  int32_t is_int8;
  int32_t pooling;              /* 0 sum, 1 mean, 2 sqrtn: the sum over the square root of the number of rows */
} textcnn_bag_spec;

TEXTCNN_API textcnn_bag *textcnn_bag_open(const textcnn_bag_spec *spec);
TEXTCNN_API void textcnn_bag_close(textcnn_bag *bag);

/* Logits [N, C]: text n has rows[row_offsets[n] .. row_offsets[n + 1]], -1 for none, and
 * hashes[hash_offsets[n] .. hash_offsets[n + 1]]. */
TEXTCNN_API int32_t textcnn_bag_logits(const textcnn_bag *bag, const int32_t *rows, const int64_t *row_offsets,
                                       const int32_t *hashes, const int64_t *hash_offsets, int64_t texts,
                                       int32_t threads, float *logits);

/* The features of one text that add a row, at most row_count + hash_count * (ngrams - 1): the row of each, the first of
 * the rows (length 1) or of the hashes (length 2 or more) that it is made of, and how many. Returns their number. */
TEXTCNN_API int64_t textcnn_bag_features(const textcnn_bag *bag, const int32_t *rows, int64_t row_count,
                                         const int32_t *hashes, int64_t hash_count, int32_t *feature_rows,
                                         int64_t *firsts, int32_t *lengths);

/* What rows [count] add to the score of class `index`, before the division of the pooling: values [count]. */
TEXTCNN_API int32_t textcnn_bag_values(const textcnn_bag *bag, const int64_t *rows, int64_t count, int64_t index,
                                       double *values);

/* fastText's hash of a word, 32-bit FNV-1a over signed bytes; and the hash of token ids in a bag of token ids. */
TEXTCNN_API int32_t textcnn_hash_of_word(const char *word, size_t bytes);
TEXTCNN_API int32_t textcnn_hashes_of_ids(const int32_t *ids, int64_t count, int32_t *hashes);

/* ---- Words as fastText reads them --------------------------------------------------------------------------------
 *
 * Words stand between ASCII white space; a text ends with the word `</s>`. A word adds its row and its hash to a bag, and
 * the buckets of its subwords of min_n to max_n characters. Labels add nothing. */

typedef struct textcnn_words textcnn_words;

typedef struct {
  const char *bytes;    /* words one after the other, labels after the words */
  const int64_t *ends;  /* [words + labels] where each of them ends */
  int64_t words;        /* word i has row i */
  int64_t labels;
  const char *prefix;   /* what begins with it is a label, too, unless it is one of the words */
  int64_t prefix_bytes;
  int64_t buckets;      /* of n-grams and subwords */
  int32_t min_n, max_n; /* 0: no subwords */
} textcnn_words_spec;

TEXTCNN_API textcnn_words *textcnn_words_open(const textcnn_words_spec *spec);
TEXTCNN_API void textcnn_words_close(textcnn_words *words);

/* Row of a word; -1 for an unknown word, -2 for a label. */
TEXTCNN_API int32_t textcnn_words_row(const textcnn_words *words, const char *word, size_t bytes);

/* Logits [N, C] of UTF-8 texts in one call, and, unless NULL, the number of rows [N] that each of them adds. */
TEXTCNN_API int32_t textcnn_words_logits(const textcnn_words *words, const textcnn_bag *bag, const char *data,
                                         const int64_t *ends, int64_t texts, int32_t threads, float *logits,
                                         int64_t *counts);

/* The class with the largest logit of one text; -1 for an error. */
TEXTCNN_API int64_t textcnn_words_label(const textcnn_words *words, const textcnn_bag *bag, const char *text,
                                        size_t bytes);

/* The words of one text, [W, 3] first byte, byte after the last and row, and the features that add a row, [G, 5] row,
 * first word, number of words (0 for a subword), first byte and byte after the last. Returns G; the caller frees both
 * with `textcnn_free`. */
TEXTCNN_API int64_t textcnn_words_features(const textcnn_words *words, const textcnn_bag *bag, const char *text,
                                           size_t bytes, int64_t **word_table, int64_t *word_count, int64_t **features);

/* A converted model from the contents of its two files as exported pages hold them, with the dictionary as lines of text; the
 * second must stay as it is. Its words and its bag are the model's and are closed with it. */
typedef struct textcnn_fasttext textcnn_fasttext;
TEXTCNN_API textcnn_fasttext *textcnn_fasttext_open_memory(const char *config, size_t config_bytes, const char *tables,
                                                           size_t tables_bytes);
TEXTCNN_API void textcnn_fasttext_close(textcnn_fasttext *model);
TEXTCNN_API const textcnn_words *textcnn_fasttext_words(const textcnn_fasttext *model);
TEXTCNN_API const textcnn_bag *textcnn_fasttext_bag(const textcnn_fasttext *model);

/* Buckets of the subwords of a word: [G, 3] bucket, first byte and byte after the last. */
TEXTCNN_API int64_t textcnn_words_subwords(const textcnn_words *words, const char *word, size_t bytes, int64_t **places);

/* Rows of the words, subwords and n-grams of texts, bucket b at the row words + b: writes offsets [N + 1], sets *rows to
 * memory that the caller frees with `textcnn_free`, and returns the number of rows. */
TEXTCNN_API int64_t textcnn_words_rows(const textcnn_words *words, int64_t ngrams, const char *data, const int64_t *ends,
                                       int64_t texts, int32_t threads, int64_t *offsets, int32_t **rows);

/* ---- Tables ----------------------------------------------------------------------------------------------------- */

typedef struct textcnn_tables textcnn_tables;

/* What folded.safetensors and config.json hold. Pointers must stay valid as long as the handle does. */
typedef struct {
  int64_t vocab_size;         /* V */
  int64_t rows;               /* rows of the table; the last is the zero vector */
  int64_t columns;            /* values in a row */
  const void *table;          /* [rows, columns] float32 or int8 */
  const int32_t *row_of_id;   /* [V] row of each token; -1 is padding */
  const int64_t *kernel_sizes; /* [I] */
  const int64_t *num_filters; /* [I] */
  const float *scale;         /* [F] */
  const float *bias;          /* [F] */
  const float *norm_weight;   /* [F], or NULL without a pooled norm */
  const float *norm_bias;     /* [F], or NULL */
  const float *head_weight;   /* [C, P], divided by the temperature; P is F, or 2 F with means */
  const float *head_bias;     /* [C], divided by the temperature */
  double norm_epsilon;
  int64_t widths;             /* I */
  int64_t features;           /* F */
  int64_t classes;            /* C */
  int64_t stride;
  int64_t dilation;
  int32_t is_int8;
  int32_t padding;            /* 0 wide, 1 same, 2 valid */
  int32_t activation;         /* 0 relu, 1 tanh, 2 identity, 3 sigmoid, 4 elu, 5 leaky_relu, 6 softplus */
  int32_t means;              /* 1: after the maxima, the head reads the mean of each filter's activation over all windows */
  const textcnn_bag *bag;     /* whose logits of the same token ids are added, or NULL; then I may be 0 */
} textcnn_tables_spec;

TEXTCNN_API textcnn_tables *textcnn_tables_open(const textcnn_tables_spec *spec);
TEXTCNN_API void textcnn_tables_close(textcnn_tables *tables);

/* Logits [N, C] and, unless NULL, pooled features [N, P] of token ids: text n is ids[offsets[n] .. offsets[n + 1]]. */
TEXTCNN_API int32_t textcnn_logits_of_ids(const textcnn_tables *tables, const int32_t *ids, const int64_t *offsets,
                                          int64_t texts, int32_t threads, float *features, float *logits);

/* The rounded product [rows, columns] of vectors [rows, components] and filters [components, columns], float16: the int8
 * table of a model that is stored as these two. */
TEXTCNN_API int32_t textcnn_table_of_factors(const int8_t *vectors, const uint16_t *filters, int64_t rows,
                                             int64_t components, int64_t columns, int8_t *table);

/* The window that wins each filter, [N, F] each: pooled values; those of the next best window, 0 where there is none;
 * sums with the bias before activation, -inf where there is none; and the token that the window begins at, counted from
 * the first that is no padding: negative where it hangs over the beginning, TEXTCNN_NO_WINDOW where there is none.
 * begins, ends [N]: where the ids of each text lie without the padding at both ends. logits [N, C]: bias and
 * contributions of these features, added in double, without those of means. Refused with a pooled norm. */
#define TEXTCNN_NO_WINDOW INT32_MIN
TEXTCNN_API int32_t textcnn_winners(const textcnn_tables *tables, const int32_t *ids, const int64_t *offsets,
                                    int64_t texts, int32_t threads, float *features, float *without, float *sums,
                                    int32_t *start, int64_t *begins, int64_t *ends, double *logits);

/* The n-grams of one text: what filters contribute through the same tokens, added up and shared among them. Inputs are
 * the text's token ids [T] without the padding at both ends, its winners [F] and the head's weights [F] of a label.
 * Outputs, G n-grams in the order of the text: ends [G, 2] first and last token; weights [G], what each adds to the
 * logit; losses [G], how much less that is with the next best windows; filters [F] and filter_begins [G + 1]; shares
 * [F * widest window], the part of each token, NaN for padding, and share_begins [G + 1]. G is at most F, and is
 * returned. */
TEXTCNN_API int64_t textcnn_ngrams(const textcnn_tables *tables, const int32_t *ids, int64_t tokens,
                                   const float *features, const float *without, const float *sums,
                                   const int32_t *start, const double *weight, int64_t *ends, double *weights,
                                   double *losses, int64_t *filters, int64_t *filter_begins, double *shares,
                                   int64_t *share_begins);

/* The features that the bag has of one text, token ids [T], and the part of each in the logit of class `index`: first token,
 * number of tokens and weight. At most T * ngrams; returns their number. Tokens come before n-grams, and padding inside the
 * text stands between n-grams. */
TEXTCNN_API int64_t textcnn_bag_shares(const textcnn_tables *tables, const int32_t *ids, int64_t tokens, int64_t index,
                                       int64_t *firsts, int32_t *lengths, double *weights);

/* For each position [T] and linear function of the features [K, F], the least value over the tokens that could stand
 * there, or what `least` [T, K] holds where that is less. vocabulary: rows of the float32 table to try. base [T, F]:
 * maxima of the windows without the position. rest [T, columns]: sums of the windows with it but for its own term, where
 * a table row has that term; -inf for none. replaceable [T]: positions to try. */
TEXTCNN_API int32_t textcnn_least_of_tokens(const textcnn_tables *tables, const int64_t *vocabulary, int64_t count,
                                            int64_t tokens, const float *base, const float *rest,
                                            const uint8_t *replaceable, const float *functions, int64_t function_count,
                                            int32_t activation, int32_t threads, float *least);

/* The activation of `count` values, in place. */
TEXTCNN_API int32_t textcnn_activate(float *values, int64_t count, int32_t activation);

/* ---- Tokenizers ---------------------------------------------------------------------------------------------------
 *
 * Texts lie one after the other in UTF-8: text n ends at byte ends[n], where the next begins. */

typedef struct textcnn_tokenizer textcnn_tokenizer;

/* Read the text of a tokenizer.json. NULL with *compiled 0: the tables cannot give exactly its ids, and `textcnn_error`
 * says why; NULL with *compiled 1: it is broken. */
TEXTCNN_API textcnn_tokenizer *textcnn_tokenizer_open(const char *json, size_t bytes, int32_t *compiled);
TEXTCNN_API void textcnn_tokenizer_close(textcnn_tokenizer *tokenizer);
TEXTCNN_API int64_t textcnn_tokenizer_vocab_size(const textcnn_tokenizer *tokenizer);

/* ends [N] of texts whose lengths in characters are known. */
TEXTCNN_API int32_t textcnn_byte_ends(const char *data, const int64_t *lengths, int64_t texts, int64_t bytes,
                                      int64_t *ends);

/* Ids of texts: writes offsets [N + 1] and sets *ids to memory that the caller frees with `textcnn_free`; returns the
 * number of ids. */
TEXTCNN_API int64_t textcnn_encode(const textcnn_tokenizer *tokenizer, const char *data, const int64_t *ends,
                                   int64_t texts, int32_t threads, int64_t *offsets, int32_t **ids);

/* The same of one text, with the first and last character of each token, [T, 2]. */
TEXTCNN_API int64_t textcnn_spans(const textcnn_tokenizer *tokenizer, const char *text, size_t bytes, int32_t **ids,
                                  int64_t **spans);
TEXTCNN_API void textcnn_free(void *memory);

/* Logits [N, C] and, unless NULL, pooled features [N, P] of texts, without arrays in between. */
TEXTCNN_API int32_t textcnn_logits_of_texts(const textcnn_tables *tables, const textcnn_tokenizer *tokenizer,
                                            const char *data, const int64_t *ends, int64_t texts, int32_t threads,
                                            float *features, float *logits);

/* The class with the largest logit of one text; -1 for an error. */
TEXTCNN_API int64_t textcnn_label_of_text(const textcnn_tables *tables, const textcnn_tokenizer *tokenizer,
                                          const char *text, size_t bytes);

/* ---- Training ----------------------------------------------------------------------------------------------------- */

/* Texts and convolutions of the training operator, the maximum over the windows of each text: B texts, U distinct
 * tokens, D vector size, I widths of W tokens and F filters each. Floats are all float64 or all float32. */
typedef struct {
  int64_t texts;               /* B */
  int64_t tokens;              /* U */
  int64_t dim;                 /* D */
  int64_t widths;              /* I */
  int64_t stride;              /* positions between two windows */
  int64_t dilation;            /* positions between two tokens of a window */
  const int64_t *index;        /* row of `vectors` at each position of all texts; -1 is a zero vector, no token */
  const int64_t *offsets;      /* [B + 1] text b is index[offsets[b] .. offsets[b + 1]] */
  const int64_t *kernel_sizes; /* [I] */
  const int64_t *num_filters;  /* [I] */
  const int64_t *left;         /* [I] zero vectors before a text */
  const int64_t *right;        /* [I] zero vectors after a text */
  const void *vectors;         /* [U, D] vectors of the distinct tokens */
  const void *const *weights;  /* [I] weights [F, D, W] of each width */
  int32_t is_float64;
  int32_t threads;
} textcnn_ngram_max_spec;

/* Maxima with their bias pooled [B, sum F], 0 where a text has no window with a token, and the number of the first
 * window that has each, -1 for none: winners [B, sum F]. biases [I]: [F] of each width. */
TEXTCNN_API int32_t textcnn_ngram_max(const textcnn_ngram_max_spec *spec, const void *const *biases, void *pooled,
                                      int64_t *winners);

/* Gradients of the vectors [U, D], of the weights [I] and of the biases [I], each unless NULL, from the gradient
 * [B, sum F] of pooled. Where more than a share `dense` of the table's gradient is not zero, it is written out and
 * multiplied as a matrix. The sums are the same whatever the number of threads. */
TEXTCNN_API int32_t textcnn_ngram_max_gradients(const textcnn_ngram_max_spec *spec, const int64_t *winners,
                                                const void *gradient, double dense, void *vectors_gradient,
                                                void *const *weight_gradients, void *const *bias_gradients);

/* An embedding [V, D] that AdamW moves by rows, its moments and the step that each row is at. */
typedef struct {
  int64_t rows;      /* V */
  int64_t columns;   /* D */
  void *weight;      /* [V, D] */
  void *mean;        /* [V, D] */
  void *square;      /* [V, D] */
  void *last;        /* [V] step of each row, in the weight's type */
  int32_t is_float64;
} textcnn_rows_spec;

/* Take the steps up to `step` that the chosen rows [count] have skipped; a row may be chosen twice. moves,
 * mean_powers and square_powers [gaps]: how far k skipped steps carry a weight, in units of m / sqrt(v), and what they
 * leave of its moments. */
TEXTCNN_API int32_t textcnn_catch_up_rows(const textcnn_rows_spec *spec, const int64_t *chosen, int64_t count,
                                          int64_t step, const double *moves, const double *mean_powers,
                                          const double *square_powers, int64_t gaps, double eps);

/* One step of the chosen rows [count], which are up to date and distinct, with their gradient [count, D]. */
TEXTCNN_API int32_t textcnn_step_rows(const textcnn_rows_spec *spec, const int64_t *chosen, int64_t count,
                                      const void *gradient, int64_t step, double beta1, double beta2, double rate,
                                      double eps);

/* A bag whose input matrix [rows, D] and output matrix [K, D] are trained as fastText trains them. Text n has
 * row_indices[offsets[n] .. offsets[n + 1]] and labels[label_offsets[n] .. label_offsets[n + 1]]. */
typedef struct {
  int64_t texts;
  int64_t rows;
  int64_t columns;              /* D */
  int64_t outputs;              /* K, labels */
  const int64_t *offsets;       /* [texts + 1] */
  const int32_t *row_indices;
  const int64_t *label_offsets; /* [texts + 1] */
  const int32_t *labels;
  float *input;
  float *output;
  const int64_t *path_begins;   /* [K + 1] of a tree: decisions above each label */
  const int32_t *path_nodes;
  const uint8_t *path_sides;    /* 1 where the label lies to the right */
  const int32_t *negatives;     /* labels to draw negative samples from */
  int64_t negative_count;
  int64_t negative_samples;
  int64_t epoch;                /* number of this epoch, from 0 */
  int64_t epochs;
  double learning_rate;
  uint64_t seed;
  int32_t loss;                 /* 0 softmax, 1 one-vs-all, 2 hierarchical softmax, 3 negative sampling */
} textcnn_bag_training_spec;

/* Train one epoch; writes the mean loss of a text. */
TEXTCNN_API int32_t textcnn_train_bag(const textcnn_bag_training_spec *spec, double *loss);

#ifdef __cplusplus
}
#endif

#endif
