"""The keys that save a way; static/js/keys.js acts on them, and app.js on those of the message."""

from __future__ import annotations

from insight_app.words import N_

# Single keys, which act where nobody is typing. They can be switched off.
SINGLE = {
    "?": N_("Show this list"),
    "N": N_("New chat"),
    "/": N_("Search"),
    "M": N_("Write a message"),
    "S": N_("Stop the answer"),
    "J": N_("Next conversation"),
    "K": N_("Previous conversation"),
}
IN_THE_MESSAGE = {
    N_("Enter"): N_("Send"),
    N_("Shift + Enter"): N_("New line"),
    N_("Esc"): N_("To the Stop button while an answer is written, else out of the field, where single keys act"),
}
