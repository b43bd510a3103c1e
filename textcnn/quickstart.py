"""The first two minutes: train on the embedded dataset, compare with a linear baseline, label three texts.

Run it with `make quickstart`, or `python -m textcnn.quickstart`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

DATA = "python-docstrings"
QUESTIONS = [
    "Return the square root of x.",
    "Wait until the thread terminates, or until the timeout occurs.",
    "Send the HTTP request header to the server.",
]


def linear_baseline(data: Any) -> float:
    """Return the test accuracy of TF-IDF over words and word pairs with logistic regression, on the same split."""
    from .training.baseline import linear_pipeline

    baseline = linear_pipeline()
    baseline.fit(data["train"]["text"][:], data["train"]["label"][:])
    return float(baseline.score(data["test"]["text"][:], data["test"]["label"][:]))


def main(output: str | Path = "runs/quickstart") -> None:
    """Train, score, compare and predict, printing each step."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with console.status("loading"):
        from sklearn.metrics import accuracy_score, f1_score

        import textcnn
        from textcnn.data import docstrings

        data = docstrings.load()
    names = data["train"].features["label"].names
    rows = ", ".join(f"{split} {len(data[split]):,}" for split in data)
    console.print(f"[bold]1. Data.[/bold] First paragraphs of the standard library's docstrings ({rows}).")
    console.print(f"   The {len(names)} classes are chapters of the Library Reference: {', '.join(names)}.\n")

    console.print("[bold]2. Training.[/bold] textcnn.train(data, output=...)")
    classifier = textcnn.train(data, output=output, force=True, seed=0)

    texts, labels = data["test"]["text"][:], [names[i] for i in data["test"]["label"][:]]
    predicted = classifier.predict(texts)
    with console.status("training the baseline: TF-IDF + logistic regression"):
        baseline = linear_baseline(data)
    table = Table(title="\n3. Scores on the test split, one seed", title_justify="left", title_style="bold")
    for column in ("model", "accuracy", "macro-F1"):
        table.add_column(column)
    macro = f1_score(labels, predicted, average="macro")
    table.add_row("textcnn", f"{accuracy_score(labels, predicted):.3f}", f"{macro:.3f}")
    table.add_row("TF-IDF + logistic regression", f"{baseline:.3f}", "")
    console.print(table)

    console.print("\n[bold]4. Use.[/bold] textcnn.load(directory).predict_top_k(texts, k=2)")
    for text, best in zip(QUESTIONS, textcnn.load(output).predict_top_k(QUESTIONS, k=2), strict=True):
        answers = ", ".join(f"{label} {probability:.2f}" for label, probability in best)
        console.print(f"   {text}\n     [green]{answers}[/green]")
    console.print(f"\nThe classifier is in [bold]{output}[/bold]; its model card is {Path(output) / 'README.md'}.")


if __name__ == "__main__":
    main()
