"""The build hook: compiles the core into the wheel, or into the checkout for an editable install.

With TEXTCNN_WASM=1 in the environment it also compiles the WebAssembly module of exported pages, which takes minutes.
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _core() -> Any:
    """Return textcnn/core/build.py as a module, without importing the package."""
    spec = importlib.util.spec_from_file_location("core_build", Path(__file__).parent / "textcnn" / "core" / "build.py")
    if spec is None or spec.loader is None:
        raise RuntimeError("textcnn/core/build.py: got no such file; expected it in the source tree")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _wants_wasm() -> bool:
    return os.environ.get("TEXTCNN_WASM") == "1"


class CoreBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """One library for every version of Python: the wheel depends on the platform only."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for a compiler as a Python package where the system has none."""
        core = _core()
        is_complete = core.find_compiler() and (core.find_wasm_compiler() or not _wants_wasm())
        return [] if self.target_name == "sdist" or is_complete else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the library before the files of the wheel are gathered."""
        if self.target_name == "sdist":
            return
        core = _core()
        core.build()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(f"textcnn/core/{core.LIBRARY.name}")
        if _wants_wasm():
            core.build_wasm()
        if core.MODULE.is_file() and not core.is_stale(core.MODULE):
            build_data["artifacts"].append(f"textcnn/core/{core.MODULE.name}")
