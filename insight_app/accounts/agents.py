"""A browser in a few words, for people who look where they are signed in."""

from __future__ import annotations

from insight_app.words import _

# The first that is found counts: most browsers say that they are several others too.
BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox", "Firefox"), ("Chrom", "Chrome"), ("Safari", "Safari"))
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


PROGRAM, ON = "A program", " on "


def in_words(user_agent: str) -> str:
    """ "Firefox on Linux", as far as the browser says it; as it is kept."""
    browser = next((name for sign, name in BROWSERS if sign in user_agent), PROGRAM)
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    return f"{browser}{ON}{system}" if system else browser


def agent(kept: str) -> str:
    """The same in the language of whoever reads it."""
    browser, _on, system = kept.partition(ON)
    browser = _("A program") if browser == PROGRAM else browser
    return _("%(browser)s on %(system)s", browser=browser, system=system) if system else browser
