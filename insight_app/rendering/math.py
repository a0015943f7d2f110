"""Formulas become MathML, which browsers draw without script; a formula that is wrong shows its source."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from math_core import LatexError, LatexToMathML

# math-core recurses: some thousands of levels overflow the stack and end the process.
LONGEST = 3_000
DEEPEST = 100

CONVERTER = LatexToMathML(ignore_unknown_commands=True, fancy_error=False)
STYLE = re.compile(r' style="([^"]*)"')
# A strict content policy blocks style attributes, so prose.css knows these classes; other styles vanish.
CLASSES = {
    "text-align:left": "math-left",
    "text-align:right": "math-right",
    "padding-left:0": "math-flush-left",
    "padding-right:0": "math-flush-right",
    "padding-left:1em": "math-apart",
    "padding-top:0.1667em": "math-spaced",
    "border-left:0.05em solid currentcolor": "math-line-left",
    "border-left:0.05em dashed currentcolor": "math-dashes-left",
    "border-right:0.05em solid currentcolor": "math-line-right",
    "border-right:0.05em dashed currentcolor": "math-dashes-right",
    "border-top:0.05em solid currentcolor": "math-line-top",
    "border-top:0.05em dashed currentcolor": "math-dashes-top",
    "border-bottom:0.05em solid currentcolor": "math-line-bottom",
    "border-bottom:0.05em dashed currentcolor": "math-dashes-bottom",
    "width:50%": "math-half",
    "width:100%": "math-full",
}


@lru_cache(maxsize=512)
def formula(latex: str, *, display: bool) -> str:
    """MathML without style attributes, and its source as alttext; bad LaTeX in <code class="math-source">."""
    if len(latex) <= LONGEST and _depth(latex) <= DEEPEST:
        try:
            maths = STYLE.sub(_as_classes, CONVERTER.convert_with_local_state(latex, displaystyle=display))
            # For screen readers that read no MathML; they read no worse LaTeX than a person who wrote it.
            return maths.replace("<math", f'<math alttext="{escape(" ".join(latex.split()))}"', 1)
        except LatexError:
            pass
    return f'<code class="math-source">{escape(latex.strip())}</code>'


def _depth(latex: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[{}]", latex):
        depth += 1 if bracket == "{" else -1
        deepest = max(deepest, depth)
    return deepest


def _as_classes(style: re.Match[str]) -> str:
    declarations = (re.sub(r"\s*:\s*", ":", part.strip()) for part in style[1].split(";"))
    classes = " ".join(CLASSES[each] for each in declarations if each in CLASSES)
    return f' class="{classes}"' if classes else ""
