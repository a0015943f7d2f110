"""How pages look in a browser: its cookies say which theme, whether the list is folded away, and whether keys act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from insight_app.words import N_

THEMES = {
    "": N_("As this device is set"),
    "light": N_("Light"),
    "dark": N_("Dark"),
    "contrast": N_("High contrast, light or dark as this device is set"),
}
# What stands around the page in some browsers; tokens.css has the same as --paper.
PAPERS = {"light": ("#fff", "#fff"), "dark": ("#111", "#111"), "contrast": ("#fff", "#000"), "": ("#fff", "#111")}
SCHEMES = {"light": "light", "dark": "dark"}


@dataclass(frozen=True, slots=True)
class Look:
    theme: str  # one of THEMES
    is_folded: bool  # whether the list of conversations is, on wide screens
    has_keys: bool  # whether single keys do something

    @property
    def scheme(self) -> str:
        """What a browser draws by itself: "light", "dark", or "light dark", as the device is set."""
        return SCHEMES.get(self.theme, "light dark")

    @property
    def papers(self) -> tuple[str, str]:
        """The paper's colour where the device is light, and where it is dark."""
        return PAPERS[self.theme]


def look_of(cookies: Mapping[str, str]) -> Look:
    """What is no choice of ours is none."""
    theme = cookies.get("theme", "")
    return Look(
        theme if theme in THEMES else "",
        is_folded=cookies.get("sidebar") == "folded",
        has_keys=cookies.get("keys") != "off",
    )
