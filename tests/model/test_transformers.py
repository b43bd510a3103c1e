"""transformers' own Trainer and pipeline on our model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset
from sklearn.metrics import accuracy_score
from transformers import (
    AutoModelForSequenceClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
)

from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.tokenization import train_tokenizer

GOOD = ["a lovely film", "great acting", "I liked it", "wonderful and great"]
BAD = ["a dull film", "awful acting", "I hated it", "boring and awful"]
ROWS = [(f"{text} {i}", label) for i in range(12) for label, texts in enumerate((BAD, GOOD)) for text in texts]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([text for text, _ in ROWS], vocab_size=200)


def build(tokenizer, **changes) -> TextCNNForSequenceClassification:
    torch.manual_seed(0)
    settings = {"embedding_dim": 16, "num_filters": 8, "id2label": {0: "bad", 1: "good"}, **changes}
    return TextCNNForSequenceClassification(
        TextCNNConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **settings)
    )


@pytest.mark.parametrize("several", [False, True])
def test_trainer(tokenizer, several, tmp_path):
    model = build(tokenizer, problem_type="multi_label_classification" if several else None)
    targets = [[1.0 - label, float(label)] if several else label for _, label in ROWS]
    rows = Dataset.from_dict({"text": [text for text, _ in ROWS], "labels": targets})
    rows = rows.map(lambda row: tokenizer(row["text"]), remove_columns="text")

    def metrics(prediction):
        wanted = np.asarray(prediction.label_ids)
        return {"accuracy": accuracy_score(wanted.argmax(1) if several else wanted, prediction.predictions.argmax(1))}

    arguments = TrainingArguments(
        str(tmp_path / "run"),
        num_train_epochs=8,
        per_device_train_batch_size=16,
        learning_rate=0.01,
        eval_strategy="epoch",
        save_strategy="epoch",
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
    )
    trainer = Trainer(
        model,
        arguments,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=metrics,
    )
    trainer.train()
    assert trainer.evaluate()["eval_accuracy"] == 1
    trainer.save_model(str(tmp_path / "best"))
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "best")
    ids = torch.tensor([tokenizer("a lovely film")["input_ids"]])
    with torch.no_grad():
        assert torch.equal(loaded(ids).logits, model.eval()(ids).logits)


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
def test_pipeline_gives_every_label_the_most_probable_first(tokenizer, problem_type):
    model = build(tokenizer, problem_type=problem_type).eval()
    classify = pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)
    for text in ("a lovely film", ""):
        ids = torch.tensor([tokenizer(text)["input_ids"]], dtype=torch.long)
        with torch.no_grad():
            logits = model(ids).logits[0]
        wanted = logits.softmax(-1) if problem_type.startswith("single") else logits.sigmoid()
        (answer,) = classify([text])
        assert {entry["label"] for entry in answer} == {"bad", "good"}
        assert answer[0]["score"] >= answer[1]["score"]
        for entry in answer:
            assert entry["score"] == pytest.approx(wanted[["bad", "good"].index(entry["label"])].item(), abs=1e-6)
