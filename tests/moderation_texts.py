"""Rules and texts for the screen's tests, and what rules make of a whole text, done slowly and place by place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import re2
from hypothesis import strategies as st

from insight_app.moderation.as_shown import Shown
from insight_app.moderation.detectors import Detector
from insight_app.moderation.folding import FOLDED, PLAIN, Folding, View
from insight_app.moderation.rules import Action, Kind, Rule
from insight_app.moderation.wordlists import are_one_word, continues, entries

PATTERNS = [
    "ab+",
    r"\bab\b",
    "a.c",
    "(?i)B[a-c]*a",
    "a+?b?",
    "(?:ab|abc)(?:c|ca)?",
    r"a\B.",
    "(?m)^ab?$",
    "^a",
    "b$",
    r"\Ab|c\z",
    "(a|b)*c",
    "a(?i)b|c c",
    "[^a]{2,3}b",
    "(?:a{2}b?){1,3}",
    "(?s)a.{0,9}?b",
    "(?s)b.*",
    r"\Qa.\E?b",
    r"é\pL",
    "a{1,200}c",
    "(x+x+)+y",
]
ENTRIES = [
    "a",
    "ab",
    "aba",
    "b c",
    "bab a",
    "a-b",
    "ca",
    "straße",
    "ße",
    "か",
    "がき",
    "कि",
    "क",
    "하",
    "ab\u0301",
    "ﬁ",
    "x y",
    "a_b",
    "*a",
]
MARKED = ["**", "&#97;", "&#x62;", "&amp;", "&nbsp;", "&szlig", "&shy;", "\\_", "](x)", "][1]", "\n> "]
LETTERS = st.sampled_from(
    [*"aaabbbcc  .-\nAxyéßﬁがか하한ク\u0301\u200b\u200f\u00ad\u3099िक１ａ𝐚а日\ud800", "한", "ki ", *"*_`[]()!>$\\&;#"]
)
TEXTS = st.lists(LETTERS | st.sampled_from([*ENTRIES, "ab ", "aabb", "xxxxxx", *MARKED]), max_size=40).map("".join)
KINDS = st.one_of(
    st.tuples(st.just(Kind.WORDS), st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4).map(" ".join)),
    st.tuples(st.just(Kind.PHRASE), st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4).map("\n".join)),
    st.tuples(st.just(Kind.PATTERN), st.sampled_from(PATTERNS)),
    st.tuples(st.just(Kind.PERSONAL), st.sampled_from(["two", "pair", "two pair", "far", "two pair far"])),
)
ACTIONS = st.sampled_from([Action.MASK, Action.MASK, Action.FLAG, Action.REFUSE])


SHAPES = {"two": (r"[ab1][ab1 -]{1,6}", 7), "pair": (r"\ba[bc]+", 4), "far": (r"(?s)c.{0,250}?y|b ", 260)}


def length_of(name: str) -> Callable[[str], int]:
    """Made-up checks: no more and no less than functions of the text."""
    return lambda text: (len(text) * 7 + ord(text[-1]) + len(name)) % 3 and max(1, len(text) - 1)


def skip_of(name: str) -> Callable[[str], int]:
    return lambda text: 1 + (len(text) + len(name)) % 4


def made_up(text: str) -> tuple[Detector, ...]:
    return tuple(
        Detector(name, SHAPES[name][0], length_of(name), SHAPES[name][1], skip_of(name)) for name in text.split()
    )


def numbered(rules: list[tuple[tuple[Kind, str], Action]]) -> list[Rule]:
    return [Rule(str(n), str(n), kind, text, action=action) for n, ((kind, text), action) in enumerate(rules)]


RULES = st.lists(st.tuples(KINDS, ACTIONS), max_size=5).map(numbered)


def rule(text: str, kind: Kind = Kind.WORDS, action: Action = Action.MASK, name: str = "secret") -> Rule:
    return Rule(name, name, kind, text, action=action)


def origins(folding: Folding, text: str) -> tuple[str, list[int]]:
    """The text as it is seen, and the place in the original of each character of it."""
    view, places = View(folding), []
    for place in range(len(text)):
        places += [place] * len(view.add(text[place]))
    return view.text, places


def slowly_found(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    """Where a rule finds something in a text, as written or as shown; what overlaps is one place."""
    folding = FOLDED if rule.kind in (Kind.WORDS, Kind.PHRASE) else PLAIN
    shown = Shown(View(folding))
    shown.add(text, is_all=True)
    ends = [shown.ended(at + 1) for at in range(shown.end)]
    found = [*_found_in(rule, shown.text, [shown.began(at) for at in range(shown.end)], ends)]
    seen, places = origins(folding, text)
    ends = [max(following, place + 1) for place, following in pairwise([*places, len(text)])]
    found += _found_in(rule, seen, places, ends)
    start = end = -1
    for first, last in sorted(found):
        if first >= end:
            if end > 0:
                yield start, end
            start = first
        end = max(end, last)
    if end > 0:
        yield start, end


def _found_in(rule: Rule, seen: str, begins: list[int], ends: list[int]) -> Iterator[tuple[int, int]]:
    start, tried_next = 0, dict[str, int]()
    while start < len(seen):
        if rule.kind is Kind.PERSONAL:
            end = _personal_end(rule, seen, start, tried_next)
        else:
            end = (_pattern_end if rule.kind is Kind.PATTERN else _entry_end)(rule, seen, start)
        if end is None:
            start += 1
        else:
            yield begins[start], ends[end - 1]
            start = end


def _personal_end(rule: Rule, seen: str, start: int, tried_next: dict[str, int]) -> int | None:
    best = 0
    for one in made_up(rule.text):
        found = re2.compile(one.shape).match(seen, start, min(start + one.longest, len(seen)))
        if found and tried_next.get(one.name, 0) <= start:
            length = one.length(found.group())
            tried_next[one.name] = start + (length or one.skip(found.group()))
            best = max(best, length)
    return start + best if best else None


def _pattern_end(rule: Rule, seen: str, start: int) -> int | None:
    found = re2.compile(rule.text).match(seen, start, min(start + 200, len(seen)))
    return None if found is None else found.end()


def _entry_end(rule: Rule, seen: str, start: int) -> int | None:
    whole_words = rule.kind is Kind.WORDS
    for entry in sorted(entries(rule.text, whole_words), key=len, reverse=True):
        end = start + len(entry)
        if seen[start:end] != entry:
            continue
        if whole_words and start and are_one_word(seen[start - 1], seen[start]):
            continue
        if end < len(seen) and (are_one_word if whole_words else continues)(seen[end - 1], seen[end]):
            continue
        return end
    return None


def slowly(rules: list[Rule], text: str) -> tuple[str, Rule | None, Counter[str]]:
    """What is shown of a whole text, which rule refuses it, and how often each acted."""
    every = [(start, rule.action is not Action.REFUSE, n, end, rule) for n, rule in enumerate(rules)
             for start, end in slowly_found(rule, text)]  # fmt: skip
    every.sort(key=lambda found: found[:3])
    refusal = next((found for found in every if found[4].action is Action.REFUSE), None)
    if refusal:
        every = every[: every.index(refusal) + 1]
        text = text[: refusal[0]]
    blocks: list[tuple[int, int, Rule]] = []
    for start, _, _, end, rule in every:
        if rule.action is Action.MASK:
            if blocks and (start < blocks[-1][1] or (start == blocks[-1][1] and blocks[-1][2].id == rule.id)):
                blocks[-1] = (blocks[-1][0], max(end, blocks[-1][1]), blocks[-1][2])
            else:
                blocks.append((start, end, rule))
    shown, place = "", 0
    for start, end, rule in blocks:
        shown += text[place:start] + rule.label
        place = end
    return shown + text[place:], refusal[4] if refusal else None, Counter(found[4].id for found in every)
