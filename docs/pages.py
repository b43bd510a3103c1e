"""A hook of MkDocs: facts that are written elsewhere are taken from there, so that each is written once.

    {{ verbs }}            the verbs of the command line, as a table
    {{ help VERB }}        the complete help of a verb
    {{ settings VERB }}    the settings of a verb, as a table
    {{ file PATH }}        the contents of a file of the repository, inside a block of code
    {{ page PATH }}        the contents of a Markdown file of the repository, without its first line
    {{ live }}             the quickstart's model as a page in the page, where `make quickstart wasm` has made it

Every notebook becomes a page with its outputs.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^\{\{ (\w+) ?(.*?) \}\}$", re.MULTILINE)
QUICKSTART = ROOT / "runs" / "quickstart"
LIVE = "how-to/quickstart.html"
os.environ["COLUMNS"] = "88"  # the width of the help


def expand(markdown: str) -> str:
    """Return a page with what its marks name put in.

    Raises:
        KeyError: There is no mark of that name, or no verb.
    """
    marks = {
        "verbs": lambda _: verbs(),
        "help": help_of,
        "settings": settings_of,
        "file": lambda path: (ROOT / path).read_text(encoding="utf-8").rstrip(),
        "page": lambda path: (ROOT / path).read_text(encoding="utf-8").partition("\n")[2],
        "live": lambda _: live(),
    }
    return MARK.sub(lambda match: marks[match[1]](match[2].strip()), markdown)


def verbs() -> str:
    """Return the verbs of the command line as a table."""
    from textcnn.cli import JOBS, VERBS

    rows = [f"| `textcnn {verb}` | {text} |" for verb, text in {**VERBS, **JOBS}.items()]
    return "\n".join(["| verb | effect |", "|---|---|", *rows])


def help_of(name: str) -> str:
    """Return the complete help of a verb as a block of text."""
    from textcnn.cli.help import help_text

    return f"```text\n{help_text(find_verb(name), every=True)}\n```"


def settings_of(name: str) -> str:
    """Return the settings of a verb as a table."""
    from textcnn.settings import described

    # A student and a search take every setting of training: only their own are listed.
    takes_all = name in ("distill", "tune")
    listed = {setting.name for setting in described(find_verb("train").settings)} if takes_all else set()
    rows = []
    for setting in described(find_verb(name).settings):
        if setting.name in listed - {"data", "output", "vectors"}:
            continue
        default = "required" if setting.default is dataclasses.MISSING else f"`{setting.default!r}`"
        text = setting.doc.replace("|", "\\|")
        rows.append(f"| `{setting.name}` | {'' if 'Default: ' in text else default} | {text} |")
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def has_live_model() -> bool:
    """Return whether there is a model of the quickstart and the module that a page of it needs."""
    from textcnn.core import build

    return (QUICKSTART / "config.json").is_file() and build.MODULE.is_file() and not build.is_stale(build.MODULE)


def live() -> str:
    """Return the frame of the quickstart's model; where it was not made, how to make it."""
    if not has_live_model():
        return "With `make quickstart wasm docs`, the quickstart's model stands here, to try."
    title = "The quickstart's model, which says to which chapter of the Python library a docstring belongs"
    frame = f'<iframe src="../quickstart.html" title="{title}" width="100%" height="900" style="border:0"></iframe>'
    return f"{title}:\n\n{frame}"


def live_page() -> str:
    """Return the exported page of the quickstart's model, in 8 bits."""
    import textcnn
    from textcnn.data import docstrings

    texts = list(docstrings.load()["validation"]["text"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quickstart.html"
        textcnn.export(str(QUICKSTART), path, int8=True, texts=texts)
        return path.read_text(encoding="utf-8")


def find_verb(name: str) -> Any:
    """Return the description of a verb, such as `train` or `bench speed`."""
    verb, _, what = name.partition(" ")
    module = importlib.import_module(f"textcnn.cli.{verb}")
    return module.VERBS[what] if what else module.VERB


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown, with its outputs."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [shown for output in cell.outputs if (shown := _output(output))]
    return "\n\n".join(parts) + "\n"


def _output(output: Any) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```" if output.name == "stdout" else ""
    data = output.get("data", {})
    if "image/png" in data:
        content = "".join(data["image/png"].split())
        return f'<img alt="the plot that this cell draws" src="data:image/png;base64,{content}">'
    if "text/html" in data:
        # On one line, so that Markdown leaves it alone.
        return "<div>" + re.sub(r"\s*\n\s*", " ", data["text/html"]) + "</div>"
    return f"```text\n{data['text/plain']}\n```" if "text/plain" in data else ""


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each notebook."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=notebook_page(path)))
    if has_live_model():
        files.append(File.generated(config, LIVE, content=live_page()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in what the marks of a page name."""
    return expand(markdown)
