"""What the screen costs per token: rules of all kinds together, and long lists of words.

    python benchmarks/screening.py

Text is fed four characters at a time, as an engine writes it. Each figure is CPU time, the best of several runs, less
the same loop with nothing in it, which is shown as well.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from insight_app.moderation.matcher import Matcher
from insight_app.moderation.rules import Kind, Rule
from insight_app.moderation.screen import Screen

ENGLISH = """The harbour was quiet in the early morning, and the fishermen had already left. A woman walked along the
wall with a basket of bread, counting her steps as she always did. "You are late," said the man at the gate, although
he knew that nobody had asked her to come at 7:30. In 1987 the old lighthouse had been sold to a family from the north;
since then its lamp had never been lit, not even in winter. She wrote it down in her book: 12 loaves, 3 of them dark.

```python
def area(width: float, height: float) -> float:
    return width * height
```

| name | value |
|---|---|
| one | 1 |
| two | 2.5 |
"""
RUSSIAN = """Гавань была тихой ранним утром, и рыбаки уже ушли в море. Женщина шла вдоль стены с корзиной хлеба и
считала шаги, как она делала всегда. «Вы опоздали», — сказал человек у ворот, хотя знал, что никто не просил её
приходить в 7:30. В 1987 году старый маяк продали семье с севера; с тех пор его лампа ни разу не горела."""
PATTERNS = [
    r"\b{word}-\d{{3,6}}\b",
    r"(?i)project\s+{word}[a-z]*",
    r"{word}_[A-Za-z0-9]{{16,40}}",
    r"(?i)\b(?:internal|secret)[ -]{word}\b",
    r"{word}[.:]\s*\d+(?:\.\d+)?",
]


def words(count: int, seed: int = 1) -> list[str]:
    """Made-up words that could be real ones."""
    chance = random.Random(seed)
    found: set[str] = set()
    while len(found) < count:
        syllables = ("".join(chance.choice(letters) for letters in ("bcdfglmnprstvw", "aeiou", "nrstlx"))
                     for _ in range(chance.randint(2, 4)))  # fmt: skip
        found.add("".join(syllables))
    return sorted(found)


def mixed(count: int) -> list[Rule]:
    """Rules of all kinds in turn; those about personal data look for all of it."""
    names = words(count * 4)
    kinds = [Kind.WORDS, Kind.PHRASE, Kind.PATTERN, Kind.PATTERN, Kind.PERSONAL]
    rules = []
    for number in range(count):
        kind, own = kinds[number % len(kinds)], names[number * 4 : number * 4 + 4]
        text = {
            Kind.WORDS: " ".join(own),
            Kind.PHRASE: f"{own[0]} {own[1]}\n{own[2]}",
            Kind.PATTERN: PATTERNS[number % len(PATTERNS)].format(word=own[0]),
            Kind.PERSONAL: "",
        }[kind]
        rules.append(Rule(str(number), f"rule {number}", kind, text))
    return rules


def seconds(matcher: Matcher | None, tokens: list[str], runs: int) -> float:
    """Per token, the best run."""
    best = float("inf")
    for _ in range(runs):
        screen = Screen(matcher) if matcher else None
        feed = screen.feed if screen else str
        begin = time.process_time()
        for token in tokens:
            feed(token)
        best = min(best, time.process_time() - begin)
    return best / len(tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=20_000)
    asked = parser.parse_args()
    texts = {"English": ENGLISH, "Russian": RUSSIAN}
    tokens = {}
    for name, text in texts.items():
        long = text * (asked.tokens * 4 // len(text) + 1)
        tokens[name] = [long[place : place + 4] for place in range(0, asked.tokens * 4, 4)]
    cases = {
        "200 rules of all kinds": mixed(200),
        "10 words in one rule": [Rule("w", "w", Kind.WORDS, " ".join(words(10)))],
        "10,000 words in one rule": [Rule("w", "w", Kind.WORDS, " ".join(words(10_000)))],
        "one pattern": mixed(4)[2:3],
    }
    print("| rules | text | empty loop (µs) | per token (µs) | made ready in (ms) |\n|---|---|---|---|---|")
    for name, rules in cases.items():
        begin = time.process_time()
        matcher = Matcher(rules)
        ready = time.process_time() - begin
        for language, pieces in tokens.items():
            empty = seconds(None, pieces, asked.runs)
            cost = seconds(matcher, pieces, asked.runs) - empty
            print(f"| {name} | {language} | {empty * 1e6:.2f} | {cost * 1e6:.2f} | {ready * 1e3:.0f} |")


if __name__ == "__main__":
    main()
