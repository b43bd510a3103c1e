"""The directory of a converted model: its tables, its config.json and a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import listed
from ..runtime.fasttext import FoldedFastText
from ..runtime.storage import write_text

_USE = """## Use

```python
import textcnn

classifier = textcnn.load("path/to/this/directory")
classifier.predict(["a text", "another"])
```

or with the functions of fastText's Python module:

```python
import textcnn.fasttext as fasttext

model = fasttext.load_model("path/to/this/directory")
model.predict("a text", k=2)
```"""


def write_converted(classifier: FoldedFastText, directory: Path, facts: dict[str, Any] | None = None) -> None:
    """Write a converted model into a directory.

    Args:
        classifier: The model.
        directory: Directory to write to.
        facts: file, bytes, words, tokens and args of the model that it was made of, as `facts_of` returns them; None
            leaves the directory without a model card.
    """
    classifier.save(directory)
    if facts is not None:
        write_text(directory / "README.md", model_card(classifier, facts))


def model_card(classifier: FoldedFastText, facts: dict[str, Any]) -> str:
    """Return the README.md of a converted model, with the metadata that the Hub reads."""
    settings, kind = classifier.settings, "multi-label" if classifier.multi_label else "single-label"
    rows, columns = classifier.tensors["table"].shape
    shape = f"{rows:,} rows of {columns:,} {classifier.precision} values"
    ngrams = f"word n-grams up to {settings['word_ngrams']}" if settings["word_ngrams"] > 1 else "words"
    if settings["max_n"] > 0:
        ngrams += f", subwords of {settings['min_n']} to {settings['max_n']} characters"
    name = Path(facts["file"] or "model").stem
    source = f"converted from the fastText model `{facts['file']}` ({facts['bytes'] / 1e6:.1f} MB)"
    parts = [
        "---\nlibrary_name: textcnn\npipeline_tag: text-classification\ntags:\n- textcnn\n- fasttext\n"
        f"model_name: {json.dumps(name, ensure_ascii=False)}\n---",
        f"# {name}",
        f"A {kind} text classifier, {source if facts['file'] else 'trained as fastText trains'}: "
        f"{ngrams}, loss {settings['loss']}, {facts['words']:,} words, trained on {facts['tokens']:,} tokens. Input "
        f"and output matrix are folded into {shape} ([Joulin et al. 2016](https://arxiv.org/abs/1607.01759)).",
        f"Labels ({len(classifier.labels)}): {listed(classifier.labels, 20)}.",
    ]
    if "int8_error" in classifier.metadata:
        error = json.loads(classifier.metadata["int8_error"])
        table = "\n".join(f"| {name} | {value:.6g} |" for name, value in error.items())
        parts.append(f"## Error of 8 bits\n\n| measured | value |\n|---|---|\n{table}")
    parts += [_USE, f"## Arguments\n\n```json\n{json.dumps(facts['args'], indent=2)}\n```"]
    return "\n\n".join(parts) + "\n"
