"""Figures of an exported page in headless Chromium.

    python tests/exporting/measure_page.py MODEL PAGE TEXTS.parquet

MODEL is the directory that PAGE was exported from. Prints sizes, milliseconds from the opening of the page to the first
label, texts per second on one core beside those of the runtime, and milliseconds of a keystroke in a text of 500 words.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import time
from pathlib import Path

import pyarrow.parquet as parquet
from playwright.sync_api import sync_playwright

import textcnn

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# Keystrokes from the event to the styles and layout of the next frame; a message ends once the answer is there.
KEYSTROKE = """async (text) => {
  const box = document.getElementById("text"), times = [];
  for (let n = 0; n < 25; ++n) {
    box.value = text + "x".repeat(n % 5);
    const started = performance.now();
    box.dispatchEvent(new InputEvent("input"));
    await new Promise((resolve) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = resolve;
      channel.port2.postMessage(0);
    });
    document.body.getBoundingClientRect();
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return [times[0], times[12]];
}"""
SPEED = """async (texts) => {
  const [classifier] = textcnn.classifiers;
  let best = 0;
  for (let n = 0; n < 7; ++n) {
    const started = performance.now();
    classifier.predict(texts);
    best = Math.max(best, texts.length / (performance.now() - started) * 1000);
  }
  return best;
}"""


def runtime_speed(directory: str, texts: list[str]) -> float:
    """Texts per second of the runtime, the best of seven runs."""
    classifier, best = textcnn.load(directory), 0.0
    for _ in range(7):
        started = time.perf_counter()
        classifier.predict(texts)
        best = max(best, len(texts) / (time.perf_counter() - started))
    return best


def main(directory: str, file: str, data: str) -> None:
    """Print the figures."""
    texts = parquet.read_table(data, columns=["text"])["text"].to_pylist()
    # A converted fastText model has no tokenizer.
    parts = [Path(directory) / name for name in ("config.json", "tokenizer.json", "folded.safetensors")]
    artifact = b"".join(part.read_bytes() for part in parts if part.is_file())
    content = Path(file).read_bytes()
    for kind, one, other in (("bytes", content, artifact), ("gzip", gzip.compress(content), gzip.compress(artifact))):
        print(f"{kind:>6}: page {len(one):,}, artifact {len(other):,}, ratio {len(one) / len(other):.2f}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        first = []
        for _ in range(5):
            tab = browser.new_page()
            tab.goto(Path(file).resolve().as_uri())
            tab.wait_for_selector("html[data-ready=true]")
            tab.evaluate("textcnn.classifiers[0].predict(['the first text'])")
            first.append(tab.evaluate("performance.now()"))
            tab.close()
        tab = browser.new_page()
        tab.goto(Path(file).resolve().as_uri())
        tab.wait_for_selector("html[data-ready=true]")
        page, runtime = tab.evaluate(SPEED, texts), runtime_speed(directory, texts)
        words = " ".join(texts).split()[:500]
        keystroke = tab.evaluate(KEYSTROKE, " ".join(words))
        browser.close()
    print(f"first label: {min(first):.0f} ms after opening at best, {sorted(first)[2]:.0f} ms in the median of 5")
    print(f"texts per second: page {page:,.0f}, runtime {runtime:,.0f}, ratio {page / runtime:.2f}")
    best, median = keystroke
    print(f"keystroke in a text of {len(words)} words: {best:.1f} ms at best, {median:.1f} ms in the median of 25")


if __name__ == "__main__":
    main(*sys.argv[1:])
