"""What it costs to show answers while they are written: CPU and bytes per token, for ordinary and for extreme ones.

    python benchmarks/progress.py

A token is four characters, and each is shown at once, or three with one event, as a server does that merges updates.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from insight_app.rendering.markdown import render
from insight_app.rendering.progress import START, GrowingText, advance

TOKEN = 4
TYPICAL = """## Part {n}: reading a file

There are **three** ways to read a file, and most programs need only the first. It reads the whole text at once, which
is simple and quick as long as the file fits into memory; see the [documentation](https://docs.python.org/3/) for more.

1. `path.read_text()` reads everything, and closes the file again.
2. A loop over the file reads *line by line*, so that even a very large file costs little memory.
3. `mmap` lets the operating system decide, which is worth it only for random access.

```python
from pathlib import Path

def longest_line(path: Path) -> str:
    \"\"\"The longest line of a file, without its line end.\"\"\"
    with path.open(encoding="utf-8") as lines:
        return max((line.rstrip("\\n") for line in lines), key=len, default="")
```

| way | memory | speed |
|---|---|---:|
| `read_text` | all of the file | 1.0 |
| line by line | one line | 0.8 |
| `mmap` | what is used | 1.3 |

> Measure before you choose: the disk is often slower than anything you do.

The cost grows with the length, so it is $O(n)$ for all of them, and what differs is the constant:

$$T(n) = a + \\frac{n}{b}$$

- [x] read the file
- [ ] write the result

"""
EXTREME = {
    "one paragraph": "words and more words, " * 4_700,
    "one list": "- an item of a long list, with **some** words\n" * 2_200,
    "one code block": "```python\n" + "def f(x): return x + 1  # a line of code\n" * 2_500,
    "one table": "| a | b |\n|---|---|\n" + "| some | text in a cell |\n" * 4_000,
    "one quote": "> a line of a long quote, and so on\n" * 2_800,
    "one item": "- an item\n" + "  that has many lines\n" * 4_500,
    "one comment": "<!-- raw HTML that never ends\n" * 3_400,
}


def typical(tokens: int) -> str:
    text = "".join(TYPICAL.replace("{n}", str(number)) for number in range(1, tokens * TOKEN // len(TYPICAL) + 2))
    return text[: tokens * TOKEN]


def stream(text: str, tokens_each: int = 1) -> tuple[float, float, float]:
    """Microseconds of CPU and bytes sent per token, and the milliseconds of the slowest step."""
    growing, progress, size, slowest = GrowingText(), START, 0, 0.0
    each = TOKEN * tokens_each
    started = time.process_time()
    for start in range(0, len(text) + 1, each):
        before = time.perf_counter()
        growing.append(text[start : start + each])
        step = advance(growing, progress, ended=start + each > len(text))
        progress = step.progress
        slowest = max(slowest, time.perf_counter() - before)
        size += len((step.tail or "").encode()) + sum(len(change.html.encode()) for change in step.changes)
    tokens = len(text) / TOKEN
    return (time.process_time() - started) / tokens * 1e6, size / tokens, slowest * 1e3


def show(name: str, text: str, tokens_each: int = 1) -> None:
    micros, size, slowest = min(stream(text, tokens_each) for _ in range(3))
    started = time.perf_counter()
    final = render(text)
    whole = (time.perf_counter() - started) * 1e3
    cells = (f"{len(text) // TOKEN:7,}", f"{micros:7.1f}", f"{size:7.0f}", f"{len(final) * TOKEN / len(text):7.1f}")
    print(f"{name:22} {' '.join(cells)} {slowest:9.1f} {whole:9.1f}", flush=True)


def main() -> None:
    stream(typical(1_000))
    print(f"{'answer':22} {'tokens':>7} {'µs/tok':>7} {'B/tok':>7} {'final B':>7} {'slowest':>9} {'at once':>9}  (ms)")
    for tokens in (1_000, 5_000, 20_000):
        show("typical", typical(tokens))
    for tokens in (1_000, 5_000, 20_000):
        show("typical, 3 an event", typical(tokens), 3)
    for name, text in EXTREME.items():
        for part in (4, 1):
            show(name if part == 1 else f"{name}, a quarter", text[: len(text) // part])


if __name__ == "__main__":
    main()
