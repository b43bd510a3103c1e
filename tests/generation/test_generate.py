"""The sampler of masked diffusion, and `textcnn generate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import textcnn
from textcnn.cli import main
from textcnn.generation.sampler import draw, uncover


def test_the_sampler_draws_the_distribution_of_its_model() -> None:
    """A model that knows a Markov chain of three tokens gives its sequences as often as the chain does."""
    first = torch.tensor([0.5, 0.3, 0.2])
    step = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.3, 0.3, 0.4]])
    joint = first[:, None] * step

    def predict(ids: Tensor, now: Tensor) -> Tensor:
        rows = []
        for text, place in now.nonzero().tolist():
            other = int(ids[text, 1 - place])
            if other == 3:  # hidden
                rows.append(joint.sum(dim=1 - place).log())
            else:
                rows.append((joint[:, other] if place == 0 else joint[other]).log())
        return torch.stack(rows)

    generator = torch.Generator().manual_seed(0)
    ids = torch.full((4000, 2), 3)
    # With many steps two tokens are hardly ever drawn at once.
    written = uncover(ids, ids == 3, predict, 60, 1.0, 1.0, generator)
    counts = torch.bincount(written[:, 0] * 3 + written[:, 1], minlength=9).view(3, 3) / 4000
    torch.testing.assert_close(counts, joint, atol=0.03, rtol=0)


def test_kept_tokens_stay() -> None:
    ids = torch.tensor([[5, 9, 7, 9]])
    written = uncover(
        ids, ids == 9, lambda ids, now: torch.zeros(int(now.sum()), 9), 4, 1.0, 1.0, torch.Generator().manual_seed(1)
    )
    assert written[0, 0] == 5
    assert written[0, 2] == 7
    assert (written < 9).all()


def test_only_the_likeliest_are_drawn() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().expand(2000, 4)
    generator = torch.Generator().manual_seed(0)
    shares = torch.bincount(draw(logits, 0.8, generator), minlength=4) / 2000
    torch.testing.assert_close(shares, torch.tensor([0.625, 0.375, 0.0, 0.0]), atol=0.04, rtol=0)
    assert set(draw(logits, 0.01, generator).tolist()) == {0}


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusion")
    good, bad = ["lovely", "great", "warm"], ["dull", "awful", "boring"]
    rows = [{"text": f"a {a} film with a {b} plot", "label": label}
            for label, words in (("good", good), ("bad", bad)) for a in words for b in words] * 12  # fmt: skip
    path = folder / "reviews.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    textcnn.pretrain(
        path, folder / "run", objective="diffusion", label_column="label", num_filters=48, num_blocks=3,
        embedding_dim=24, learning_rate=1e-2, max_epochs=12, batch_size=32, min_frequency=1, progress=False,
    )  # fmt: skip
    return folder / "run"


def test_texts_have_the_words_of_their_label(diffusion: Path) -> None:
    for label, words in (("good", "lovely great warm"), ("bad", "dull awful boring")):
        rows = textcnn.generate(diffusion, label, count=30)
        assert {row["label"] for row in rows} == {label}
        adjectives = ["lovely", "great", "warm", "dull", "awful", "boring"]
        told = [word for row in rows for word in row["text"].split() if word in adjectives]
        assert sum(word in words.split() for word in told) > 0.7 * len(told) > 20
    assert textcnn.generate(diffusion, count=5, seed=3) == textcnn.generate(diffusion, count=5, seed=3)
    assert {row["label"] for row in textcnn.generate(diffusion, count=30)} == {"good", "bad"}


def test_gaps_are_filled_and_the_rest_is_kept(diffusion: Path) -> None:
    for row in textcnn.generate(diffusion, "bad", text="a [MASK] film with a warm plot", count=5):
        words = row["text"].split()
        assert [*words[:1], *words[2:]] == ["a", "film", "with", "a", "warm", "plot"]
        assert words[1] not in ("[MASK]", "[PAD]", "[UNK]")


def test_the_command_writes_transfer_text(diffusion: Path, tmp_path: Path, capsys: Any) -> None:
    """`distill` reads the output as texts, and `evaluate` as labelled data."""
    from textcnn.data.unlabelled import read_unlabelled

    output = tmp_path / "written.jsonl"
    main(["generate", str(diffusion), "--label", "good", "--count", "7", "--length", "4", "--output", str(output)])
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [row["label"] for row in rows] == ["good"] * 7
    assert read_unlabelled(output, split_documents=False, limit=None) == [row["text"] for row in rows]
    capsys.readouterr()
    main(["generate", str(diffusion), "--count", "2"])
    assert len(capsys.readouterr().out.splitlines()) == 2
    with pytest.raises(SystemExit):
        main(["generate", str(diffusion), "--label", "god"])
    assert "did you mean 'good'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["generate", str(diffusion), "--output", str(output)])
    assert "is there already" in capsys.readouterr().err
