"""Build of the compiled core with the system's C++ compiler, or with the one that the package `ziglang` brings.

Run by the build hook of the package (`hatch_build.py`) and, in a checkout, by `library.py` when a source is newer than
the library. Objects are kept in `.build/` by a digest of what they are made from. `python build.py wasm` builds one
WebAssembly module of the same sources, for pages and for JavaScript.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
LIBRARY = FOLDER / {"win32": "textcnn.dll", "darwin": "libtextcnn.dylib"}.get(sys.platform, "libtextcnn.so")
# The files that are compiled once for each set of instructions, with flags of their own. Answers must be the same bytes
# with every set, so that nothing is contracted to fused operations there; gradients may use them.
KERNELS = {"kernels.cpp": ("-ffp-contract=off",), "training_kernels.cpp": ("-ffp-contract=fast",)}
_X86 = {
    "avx512": ("-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mlzcnt"),
    "avx2": ("-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mlzcnt"),
    "sse2": (),
    "plain": ("-DTEXTCNN_PLAIN", "-O1"),
}
_ARM = {"neon": (), "plain": ("-DTEXTCNN_PLAIN", "-O1")}
# Sources that run once, when a file is opened: a build is quicker when the compiler does less for them.
OPENING = ("dispatch.cpp", "fasttext_model.cpp", "safetensors.cpp", "tables.cpp", "tokenizer_reader.cpp")
# The module of exported pages, and its functions; WebAssembly has no threads here and trains nothing.
MODULE = FOLDER / "textcnn.wasm"
_WASM: dict[str, tuple[str, ...]] = {"wasm128": ()}
_WASM_FLAGS = ("-target", "wasm32-wasi", "-std=c++20", "-O3", "-fvisibility=hidden", "-fno-math-errno", "-fexceptions",
               "-msimd128", "-mbulk-memory", "-Wall", "-Wextra", "-Wno-psabi")  # fmt: skip
_WASM_LINK = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-O3", "-s", "-Wl,--gc-sections")
_WASM_FUNCTIONS = (
    "allocate", "free", "error", "abi", "instructions", "open_memory", "close", "model_tables", "model_tokenizer",
    "encode", "spans", "logits_of_texts", "logits_of_ids", "winners", "ngrams", "bag_shares",
    "fasttext_open_memory", "fasttext_words", "fasttext_bag", "words_logits", "words_features", "bag_values",
)  # fmt: skip
FLAGS = ("-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi",
         "-Wno-ignored-attributes")  # fmt: skip


def instruction_sets(machine: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return the sets of instructions that are compiled for a processor, the widest first, with their flags."""
    machine = (machine or platform.machine()).lower()
    if machine in ("x86_64", "amd64"):
        return _X86
    return _ARM if machine in ("aarch64", "arm64") else {"plain": ("-DTEXTCNN_PLAIN",)}


def find_compiler() -> list[str] | None:
    """Return the command of a C++ compiler; None where there is none."""
    if os.environ.get("CXX"):
        return os.environ["CXX"].split()
    for name in () if sys.platform == "win32" else ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "c++"]
    return None


def find_wasm_compiler() -> list[str] | None:
    """Return the command of a C++ compiler that brings WebAssembly's C++ library; None where there is none.

    `WASM_CXX` names another one: a clang with wasm-ld, wasi-libc and libc++ for wasm32-wasi.
    """
    if os.environ.get("WASM_CXX"):
        return os.environ["WASM_CXX"].split()
    return [sys.executable, "-m", "ziglang", "c++"] if importlib.util.find_spec("ziglang") else None


def is_stale(target: Path = LIBRARY) -> bool:
    """Return True if the sources are present and one of them is newer than the built files."""
    sources = [*FOLDER.glob("*.cpp"), *FOLDER.glob("*.hpp"), FOLDER / "textcnn.h", Path(__file__)]
    if not any(path.suffix == ".cpp" for path in sources):
        return False
    return not target.is_file() or max(path.stat().st_mtime_ns for path in sources) > target.stat().st_mtime_ns


def build(target: Path = LIBRARY, flags: Sequence[str] = (), link: Sequence[str] = ()) -> Path:
    """Compile the sources and link them to a shared library, which takes its place when it is whole.

    Args:
        target: The library to write.
        flags: Further flags of the compiler, of sanitizers for instance.
        link: Further flags of the linker.

    Raises:
        RuntimeError: there is no compiler, or it fails.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError(
            "the compiled core: got no C++ compiler; expected g++ 12, clang++ 14 or later, or the package ziglang; "
            "pip install ziglang"
        )
    objects = compile_objects(compiler, (*FLAGS, *flags))
    try:
        return _link(compiler, objects, target, flags, link)
    except RuntimeError:
        # Perhaps a kept object is damaged; a second failure is another one.
        for path in objects:
            path.unlink(missing_ok=True)
        return _link(compiler, compile_objects(compiler, (*FLAGS, *flags)), target, flags, link)


def _link(
    compiler: Sequence[str], objects: Sequence[Path], target: Path, flags: Sequence[str], link: Sequence[str]
) -> Path:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".link-") as folder:
        unfinished = Path(folder) / target.name
        # Libraries of the compiler go in, so that the wheel works where there is none.
        static = [] if sys.platform == "darwin" or "ziglang" in compiler else ["-static-libstdc++", "-static-libgcc"]
        if not flags and sys.platform != "darwin":
            static.append("-s")
        _run([*compiler, "-shared", "-o", str(unfinished), *map(str, objects), *static, *flags, *link,
              *_threads(), *os.environ.get("ARCHFLAGS", "").split()])  # fmt: skip
        unfinished.replace(target)
    return target


def build_wasm(target: Path = MODULE) -> Path:
    """Compile the sources to one WebAssembly module, which takes its place when it is whole.

    Raises:
        RuntimeError: there is no compiler for WebAssembly, or it fails.
    """
    compiler = find_wasm_compiler()
    if compiler is None:
        raise RuntimeError(
            "the WebAssembly module: got no compiler; expected the package ziglang, or a clang that WASM_CXX names; "
            "pip install ziglang"
        )
    sources = [path for path in sorted(FOLDER.glob("*.cpp")) if not path.name.startswith("training")]
    objects = _compile(compiler, _WASM_FLAGS, sources, _WASM)
    exports = [f"-Wl,--export=textcnn_{name}" for name in _WASM_FUNCTIONS]
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".link-") as folder:
        unfinished = Path(folder) / target.name
        _run([*compiler, *_WASM_LINK, *exports, *map(str, objects), "-o", str(unfinished)])
        unfinished.chmod(0o644)
        unfinished.replace(target)
    return target


def sanitized_sets() -> list[str]:
    """Return the sets of instructions that tests under the sanitizers are built with: one wide, and the plain one."""
    return [name for name in instruction_sets() if name in ("avx2", "neon", "plain")]


def build_program(source: Path, target: Path, flags: Sequence[str] = (), sets: Sequence[str] | None = None) -> Path:
    """Compile a C++ program together with the core; for the core's own tests.

    Args:
        source: The program.
        target: Path to write to.
        flags: Further flags of the compiler and the linker.
        sets: Sets of instructions to compile. Default: all of this processor.

    Raises:
        RuntimeError: there is no compiler, or it fails.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("the compiled core: got no C++ compiler")
    objects = compile_objects(compiler, (*FLAGS, *flags), sets)
    _run([*compiler, *FLAGS, *flags, f"-I{FOLDER}", str(source), *map(str, objects), "-o", str(target), *_threads()])
    return target


def compile_objects(compiler: Sequence[str], flags: Sequence[str], only: Sequence[str] | None = None) -> list[Path]:
    """Compile every source, as many at a time as there are cores; return the object files."""
    sets = {name: own for name, own in instruction_sets().items() if only is None or name in only}
    flags = [*flags, *_threads(), *os.environ.get("ARCHFLAGS", "").split()]
    return _compile(compiler, flags, sorted(FOLDER.glob("*.cpp")), sets)


def _compile(
    compiler: Sequence[str], flags: Sequence[str], sources: Sequence[Path], sets: dict[str, tuple[str, ...]]
) -> list[Path]:
    headers = b"".join(path.read_bytes() for path in sorted([*FOLDER.glob("*.hpp"), FOLDER / "textcnn.h"]))
    folder = FOLDER / ".build"
    folder.mkdir(exist_ok=True)
    jobs: list[tuple[Path, list[str]]] = []
    for source in sources:
        if source.name in KERNELS:
            jobs += [(source, [f"-DTEXTCNN_ISA={name}", *KERNELS[source.name], *own]) for name, own in sets.items()]
        else:
            own = ["-O1"] if source.name in OPENING else []
            jobs.append((source, ["-ffp-contract=off", *own, *(f"-DTEXTCNN_HAS_{name}" for name in sets)]))
    # The kernels take longest: first.
    jobs.sort(key=lambda job: job[0].name not in KERNELS)

    def compile_one(job: tuple[Path, list[str]]) -> Path:
        source, own = job
        command = [*compiler, *flags, *own]
        digest = hashlib.sha256(repr(command).encode() + headers + source.read_bytes()).hexdigest()[:20]
        target = folder / f"{source.stem}-{digest}.o"
        if not target.is_file():
            unfinished = target.with_suffix(f".{os.getpid()}.unfinished")
            _run([*command, "-c", str(source), "-o", str(unfinished)])
            unfinished.replace(target)
        return target

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(compile_one, jobs))
    _forget_old(folder, objects)
    return objects


def _threads() -> list[str]:
    return [] if sys.platform in ("win32", "darwin") else ["-pthread"]


def _forget_old(folder: Path, objects: Sequence[Path], most: int = 200) -> None:
    """Remove the oldest objects, so that the folder does not grow with every change."""
    others = sorted(set(folder.glob("*.o")) - set(objects), key=lambda path: path.stat().st_mtime)
    for path in others[: max(0, len(others) - most)]:
        path.unlink(missing_ok=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the compiled core: {' '.join(command)} failed\n{done.stderr[-4000:]}")
    if done.stderr:
        print(done.stderr, file=sys.stderr)


if __name__ == "__main__":
    print(build_wasm() if sys.argv[1:] == ["wasm"] else build())
