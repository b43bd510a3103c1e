"""The form every benchmark writes its figures in: `{"machine": ..., "versions": ..., "figures": {key: {...}}}`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..core.library import instructions
from ..runtime.storage import write_text

PACKAGES = ("torch", "transformers", "lightning", "datasets", "tokenizers", "numpy", "scikit-learn")


def machine() -> dict[str, Any]:
    """Return the machine that figures are measured on, and the set of instructions that the compiled core uses."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "instructions": instructions(),
    }


def write_figures(path: str | Path, figures: Mapping[str, Any], machine: Mapping[str, Any], **about: Any) -> None:
    """Write figures as JSON, with the machine and the versions that they were measured with."""
    from .. import __version__

    versions = {"python": platform.python_version(), "textcnn": __version__}
    versions |= {package: version(package) for package in PACKAGES}
    content = {"machine": machine, "versions": versions, **about, "figures": figures}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_text(Path(path), json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
