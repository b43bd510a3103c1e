"""A student of two unlike teachers on IMDB: a MiniLM that reads 256 tokens, and a linear classifier of all words.

Wants the folder of the set, the teacher that `textcnn teach` made, and word vectors (docs/how-to/distil.md):

    python configs/imdb_student.py imdb runs/teacher-imdb WORD2VEC GLOVE
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import textcnn

imdb, teacher, *vectors = sys.argv[1:]
train = pq.read_table(Path(imdb) / "train.parquet").to_pydict()
words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3, token_pattern=r"\w+|[^\w\s]")
linear = make_pipeline(words, LogisticRegression(C=30, solver="liblinear")).fit(train["text"], train["label"])

for seed in range(3):
    textcnn.distill(
        [teacher, linear],
        imdb,
        texts=Path(imdb) / "unsupervised.parquet",
        output=f"runs/student-imdb-{seed}",
        seed=seed,
        split_documents=False,
        vectors=vectors,
        tokenizer="word",
        vocab_size=30_000,
        kernel_sizes=[2, 3, 4],
        num_filters=500,
        batch_size=128,
        max_epochs=3,
        dropout=0.5,
        hard_weight=0.2,
    )
