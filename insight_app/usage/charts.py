"""Bars for a chart: how high each is, in hundredths of the chart's height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100
WIDTH = 10  # of a bar with the gap beside it
GAP = 2
LEAST = 1.5  # what there is can be seen, however much there is of something else


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """`most` is the value of the highest bar."""

    bars: Sequence[Bar]
    most: int

    @property
    def width(self) -> int:
        return len(self.bars) * WIDTH

    @property
    def total(self) -> int:
        return sum(bar.value for bar in self.bars)

    @property
    def bar_width(self) -> int:
        return WIDTH - GAP


def chart(values: Sequence[tuple[str, int]]) -> Chart:
    """A bar for each value, which has a label and is not below 0."""
    most = max((value for _, value in values), default=0)
    bars = []
    for number, (label, value) in enumerate(values):
        height = max(LEAST, round(HEIGHT * value / most, 2)) if value else 0.0
        bars.append(Bar(label, value, number * WIDTH + GAP / 2, HEIGHT - height, height))
    return Chart(bars, most)
