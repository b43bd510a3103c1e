"""Checkpoints on a disk that is full."""

from __future__ import annotations

import io

import pytest
import torch

from textcnn.training.checkpoints import save_to


class SmallDisk(io.BytesIO):
    """A file with room for 100,000 bytes."""

    def write(self, data) -> int:
        if self.tell() + len(data) > 100_000:
            super().write(bytes(data)[: 100_000 - self.tell()])
            raise OSError(28, "No space left on device")
        return super().write(data)


def test_a_full_disk_is_named() -> None:
    """A failed write keeps its own error, although torch raises a RuntimeError about positions in its file."""
    content = {"state_dict": {f"weight{n}": torch.zeros(10_000) for n in range(5)}}
    with pytest.raises(RuntimeError, match="unexpected pos"):
        torch.save(content, SmallDisk())
    with pytest.raises(OSError, match="No space left on device"):
        save_to(SmallDisk(), content)
