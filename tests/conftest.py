"""What several test files use: small models, small datasets, and the folder of real data where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

# No test reaches for a network: whatever would is an error at once, not a timeout.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Lightning calls a function of jsonargparse that has a new name; the warning is for Lightning.
os.environ["JSONARGPARSE_DEPRECATION_WARNINGS"] = "off"

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


# Files that take longest: they begin first, so that no process is left alone with one of them at the end.
LONGEST = (
    "test_sanitizers.py", "test_docs.py", "test_ray.py", "test_processes.py", "test_js.py", "test_notebooks.py",
    "test_cli.py", "test_readme.py", "test_tokenizer.py", "test_kills.py", "test_variants.py", "test_resume.py",
    "test_compare.py", "test_peers.py", "test_hub.py", "test_estimator.py", "test_speed.py", "test_wheel.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the tests of the longest files to the front."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def small_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small copy of the vectors that ship with the package."""
    from small_defaults import write_small_vectors

    return write_small_vectors(tmp_path_factory.mktemp("vectors") / "english")


@pytest.fixture(scope="module", autouse=True)
def vectors_that_ship(request: pytest.FixtureRequest, small_vectors: Path) -> Iterator[None]:
    """Let a module's tests start from the small copy, unless `pytestmark` has `shipped_vectors`."""
    from small_defaults import shipped_from

    if request.node.get_closest_marker("shipped_vectors"):
        yield
        return
    with shipped_from(small_vectors):
        yield


@pytest.fixture
def shipped_vectors() -> Iterator[None]:
    """Let one test start from the vectors that ship with the package."""
    from small_defaults import ENGLISH, shipped_from

    with shipped_from(ENGLISH):
        yield


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; tests that need it are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("this machine has no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real datasets that TEXTCNN_DATA names; tests that need it are skipped without it."""
    folder = os.environ.get("TEXTCNN_DATA")
    if not folder:
        pytest.skip("TEXTCNN_DATA names no folder of real datasets")
    return Path(folder)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A csv file of 120 short reviews with two labels that words give away."""
    good = ["a lovely film", "great acting and a lovely plot", "I liked it, great fun", "wonderful and great"]
    bad = ["a dull film", "awful acting and a dull plot", "I hated it, awful mess", "boring and awful"]
    rows = ["text,label"]
    for i in range(60):
        rows.append(f'"{good[i % 4]} number {i}",positive')
        rows.append(f'"{bad[i % 4]} number {i}",negative')
    path = tmp_path / "reviews.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The directory of a transformer of one small layer, with random weights."""
    import torch
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from textcnn.tokenization import train_tokenizer

    directory = tmp_path_factory.mktemp("transformer")
    texts = ["a lovely film", "great acting and plot", "I liked it", "a dull film", "awful", "I hated it", "number"]
    torch.manual_seed(0)
    trained = train_tokenizer(["[CLS] [SEP]", *texts, "unused words"], "wordpiece", vocab_size=80)
    backend = trained.backend_tokenizer
    backend.add_special_tokens(["[CLS]", "[SEP]"])
    ends = [(name, backend.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    tokenizer.save_pretrained(directory)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        initializer_range=0.3,
    )
    BertModel(config).eval().save_pretrained(directory)
    return str(directory)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A copy of the run of a test file, its fixture `run`, which a test may change."""
    return Path(shutil.copytree(run, tmp_path / "copy"))
