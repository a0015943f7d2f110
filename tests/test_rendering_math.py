"""Formulas are MathML without style, or their own source; none ends the process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insight_app.rendering.markdown import render
from insight_app.rendering.math import DEEPEST, LONGEST, formula


def test_a_formula_is_mathml() -> None:
    assert formula("x^2", display=False) == '<math alttext="x^2"><msup><mi>x</mi><mn>2</mn></msup></math>'
    assert formula("x", display=True) == '<math alttext="x" display="block"><mi>x</mi></math>'


def test_what_stands_beside_a_formula_for_screen_readers_is_text() -> None:
    html = render('$a<b"><b>$')
    assert "<b>" not in html
    assert 'alttext="a&lt;b&quot;&gt;&lt;b&gt;"' in html or 'alttext="a<b&quot;><b>"' in html


def test_columns_are_aligned_by_classes() -> None:
    html = formula(r"\begin{aligned}a&=b\end{aligned}", display=True)
    assert '<mtable displaystyle="true"' in html
    assert '<mtd class="math-right math-flush-right">' in html
    assert "style=" not in html.replace("displaystyle=", "")


@pytest.mark.parametrize("latex", [r"\frac{", r"\label{x}", "{", "x^", r"\begin{nothing}\end{nothing}"])
def test_a_wrong_formula_shows_its_source(latex: str) -> None:
    assert formula(latex, display=False) == f'<code class="math-source">{latex}</code>'


def test_an_unknown_command_does_not_spoil_the_rest() -> None:
    assert "<mi>x</mi>" in formula(r"\nosuchcommand x", display=False)


@pytest.mark.parametrize(
    "latex",
    ["{" * 100_000, "x^{" * 50_000 + "}" * 50_000, r"\sqrt" * 20_000, "{" * (DEEPEST + 1) + "}" * (DEEPEST + 1)],
)
def test_a_formula_nested_beyond_reason_is_not_tried(latex: str) -> None:
    assert formula(latex, display=True).startswith('<code class="math-source">')


@pytest.mark.parametrize(
    "unit", ["x^{", r"\sqrt", r"\frac", r"\left(", "^", r"\hat", r"\text{$", r"\begin{matrix}", "{a\\over "]
)
def test_the_longest_formula_that_is_tried_ends_well_even_in_a_thread(unit: str) -> None:
    latex = (unit * LONGEST)[: LONGEST - 100] + "x"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(formula, latex, display=True).result()


@given(st.text("\\abfrac{}^_&<>'\"$ leftright()12", max_size=60), st.booleans())
def test_any_latex_is_safe(latex: str, display: bool) -> None:
    html = formula(latex, display=display)
    assert "style=" not in html.replace("displaystyle=", "")
    assert html.startswith(("<math", '<code class="math-source">'))


@pytest.mark.parametrize("markdown", ["$x<y$", "\\(x<y\\)", "$$x<y$$", "\\[x<y\\]", "$$\nx<y\n$$", "```math\nx<y\n```"])
def test_every_way_to_mark_a_formula_works(markdown: str) -> None:
    html = render(markdown)
    assert "<mi>x</mi><mo>&lt;</mo><mi>y</mi></math>" in html
    assert ('class="math" tabindex="0"' in html) == ('display="block"' in html)


def test_prices_are_no_formula() -> None:
    assert "<math" not in render("It costs $5 and then $10.")
