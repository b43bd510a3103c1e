"""Models in pages for the tests: those that run under Node and in Chromium, with small models and hard texts."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerFast

from textcnn.core import build
from textcnn.exporting.inlined import InlinedModel, inline, joined_scripts, payload
from textcnn.exporting.js import CLASSIFIER_SCRIPTS
from textcnn.folding.fold import fold
from textcnn.model import TextCNNConfig, TextCNNForSequenceClassification
from textcnn.runtime.folded import FoldedTextCNN
from textcnn.tokenization import train_tokenizer

# Of the kinds of the Big List of Naughty Strings: scripts, marks, controls, quotes, code, numbers, long words.
TEXTS = [
    "",
    " ",
    "film",
    "a lovely film, great plot!",
    "The FILM was Ｇｒｅａｔ!?",
    "lovely 😀👩‍👩‍👧 film 🇫🇷 e\u0301\u0327 fil\u0302m",
    "فيلم جميل جدا",
    "\u202bמחשב\u202c \u200b\u200d\ufeffzero width",
    "这部电影很好看，情节也很棒。",
    "ﷺ ﬁlm ǅ ŉ İstanbul ẞ ß ſ K Å",
    "NUL\x00 in \x07the \x1bplot \x7f\x85",
    "\u0301\u0327",
    "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤",
    "[PAD] [UNK] film [PAD] <s> </s>",
    "film [PAD] lovely [PAD] [PAD] plot",
    "  \t\n \r\n\u2028\u3000 ",
    "<script>alert('x')</script> & \"quotes\" `${code}` {{ title }}",
    "1.7976931348623157e308 -1 0x1F NaN undefined null",
    "̡͓̞ͅI̗̘̦͝n͇͇͙v̮̫ok̲̫̙͈i̖͙̭̹̠̞n̡̻̮̣̺g̲͈͙̭͙̬͎ ̰t͔̦h̞̲e̢̤ ͍̬̲͖f̴̘͕̣è͖ẹ̥̩l͖͔͚i͓͚̦͠n͖͍̗͓̳̮g͍ ̨o͚̪͡f̘̣̬ ̖̘͖̟͙̮c҉͔̫͖͓͇͖ͅh̵̤̣͚͔á̗̼͕ͅo̼̣̥s̱͈̺̖̦̻͢.̛̖̞̠̫̰",
    "\U0001f1e6\U0001f1e8 \U000e0067 \U0010ffff \uffff \ue000",
    "x" * 3000,
    "the film was lovely and great but its plot felt awful " * 400,
]
WORDS = "the film was lovely and great but its plot felt awful dull boring long too very actors play well"
KINDS = ("wordpiece", "bpe", "char", "byte")


@functools.cache
def trained_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A tokenizer that was trained on the texts."""
    corpus = [text for text in TEXTS if text.strip("\u0301\u0327 \t\r\n\u2028\u3000")] * 3 + [WORDS] * 5
    return train_tokenizer(corpus, kind=kind, vocab_size=400)


def classifier_of(kind: str = "wordpiece", int8: bool = True, **changes: Any) -> FoldedTextCNN:
    """A folded model with random weights, and a tokenizer that was trained on the texts."""
    import torch

    torch.manual_seed(0)
    tokenizer = trained_tokenizer(kind)
    settings = {"embedding_dim": 12, "num_filters": 20, "id2label": {0: "a", 1: "b", 2: "c"}, **changes}
    config = TextCNNConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **settings)
    model = TextCNNForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
        for channel in model.textcnn.embeddings.channels if model.textcnn.embeddings else []:
            channel.weight[config.pad_token_id] = 0
    return fold(model, tokenizer, int8=int8, texts=TEXTS)


def need_module() -> None:
    """Skip where there is neither the WebAssembly module nor a compiler for it."""
    if build.is_stale(build.MODULE) and build.find_wasm_compiler() is None:
        pytest.skip("no WebAssembly module: ziglang is not installed")


def need_node() -> str:
    """The command of Node; skips where it is not installed."""
    need_module()
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node")
    return node


def run_node(program: str, folder: Path, given: Any = None) -> Any:
    """Return what a JavaScript program prints as JSON. It sees every function of the page's scripts, and `given`."""
    (folder / "given.json").write_text(json.dumps(given))
    head = "import { readFileSync } from 'node:fs';\nconst given = JSON.parse(readFileSync('given.json', 'utf8'));\n"
    scripts = joined_scripts((*CLASSIFIER_SCRIPTS, "csv.js"))
    (folder / "program.mjs").write_text(f"{head}{scripts}\n{program}\n", encoding="utf-8")
    done = subprocess.run([need_node(), "program.mjs"], cwd=folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def payload_of(classifier: FoldedTextCNN, name: str = "model") -> dict[str, Any]:
    """The payload of one model."""
    model: InlinedModel = inline(classifier, name)
    return dict(json.loads(payload([model])))


def check_probabilities(got: Any, classifier: FoldedTextCNN, texts: list[str]) -> None:
    """Compare probabilities with the runtime's."""
    np.testing.assert_allclose(np.array(got, dtype=np.float64), classifier.predict_proba(texts), rtol=0, atol=1e-6)
