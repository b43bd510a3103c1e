"""A hook of MkDocs: what is written elsewhere is taken from there, so that each fact is written once.

`{{ README: Install }}` becomes that section of the README, `{{ verbs }}` the list of the command line's verbs, and
every notebook becomes a page with its outputs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent


def sections() -> dict[str, str]:
    """The README's sections by their heading; '' is what stands before the first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": parts[0].partition("\n")[2], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def expand(markdown: str) -> str:
    """A page with what it names put in.

    Raises:
        KeyError: the README has no section of that name.
    """
    known = sections()

    def section(match: re.Match[str]) -> str:
        # Links to files of the repository lead nowhere from a page.
        return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", known[match[1].strip()])

    markdown = re.sub(r"^\{\{ README:(.*)\}\}$", section, markdown, flags=re.MULTILINE)
    return markdown.replace("{{ verbs }}", verbs()) if "{{ verbs }}" in markdown else markdown


def verbs() -> str:
    """The verbs of the command line as a table."""
    from textcnn.cli import JOBS, VERBS

    rows = [f"| `textcnn {verb}` | {what} |" for verb, what in {**VERBS, **JOBS}.items()]
    return "\n".join(["| verb | what it does |", "|---|---|", *rows])


def notebook_page(path: Path) -> str:
    """A notebook as Markdown, with its outputs."""
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
    """Adds a page for each notebook."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=notebook_page(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts in what a page names."""
    return expand(markdown)
