"""The table of what happened in the tests of faults."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Ledger:
    """Table of outcomes, with a row for each promise."""

    rows: dict[str, tuple[int, str]] = field(default_factory=dict)

    def note(self, promise: str, inputs: int, outcome: str) -> None:
        """Note what happened with a number of inputs."""
        self.rows[promise] = (inputs, outcome)

    def add(self, promise: str, inputs: int, outcome: str) -> None:
        """Add a number of inputs with one outcome to a row, of a test that runs many times."""
        before, _ = self.rows.get(promise, (0, ""))
        self.rows[promise] = (before + inputs, f"{before + inputs:,} {outcome}")

    def table(self) -> str:
        """Return the rows as Markdown."""
        lines = ["| promise and how it is tested | inputs | what happened |", "|---|---|---|"]
        lines += [f"| {promise} | {inputs:,} | {outcome} |" for promise, (inputs, outcome) in self.rows.items()]
        return "\n".join(lines) + "\n"
