"""Counters of a server in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

# Upper bounds of the histogram of durations, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Metrics:
    """Counters of one process; they are only changed in its event loop."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.texts: Counter[str] = Counter()
        self.durations: dict[str, list[int]] = {}
        self.seconds: Counter[str] = Counter()

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self.requests[path, status] += 1
        buckets = self.durations.setdefault(path, [0] * (len(BOUNDS) + 1))
        buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds[path] += seconds  # type: ignore[assignment]

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Return all counters, with gauges by name: (help, value)."""
        lines = _head("textcnn_requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self.requests.items()):
            lines.append(f"textcnn_requests_total{_labels(path=path, status=str(status))} {count}")
        lines += _head("textcnn_texts_total", "counter", "Texts that were labelled, by model.")
        lines += [f"textcnn_texts_total{_labels(model=name)} {n}" for name, n in sorted(self.texts.items())]
        lines += _head("textcnn_request_duration_seconds", "histogram", "Time until the answer was sent, by path.")
        for path, buckets in sorted(self.durations.items()):
            lines += _histogram("textcnn_request_duration_seconds", path, buckets, self.seconds[path])
        for name, (description, value) in gauges.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [*_head(name, kind, description), f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


def _histogram(name: str, path: str, buckets: Iterable[int], seconds: float) -> list[str]:
    lines, total = [], 0
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], buckets, strict=True):
        total += count
        lines.append(f"{name}_bucket{_labels(path=path, le=bound)} {total}")
    return [*lines, f"{name}_sum{_labels(path=path)} {seconds:g}", f"{name}_count{_labels(path=path)} {total}"]


def _head(name: str, kind: str, description: str) -> list[str]:
    return [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items()) + "}"
