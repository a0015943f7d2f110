"""What a chat begins with, and what its options mean with the model that it has, for pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from flask import g, request, url_for

from insight_app.accounts.guards import me
from insight_app.chat.messages import is_temporary
from insight_app.chat.option_forms import KEEP_ALIVE_WORDS, THINKING_WORDS, BeginningForm, PresetForm, SavedPromptForm
from insight_app.chat.options import Wishes
from insight_app.chat.presets import Preset, built_in
from insight_app.engines.base import About, Stop
from insight_app.errors import NotThere, RulesUnreadable, TooManyKept
from insight_app.limits.guards import allowed, may_use
from insight_app.web import services
from insight_app.words import _

OWN = ""  # the id of a beginning that is no preset
AT_ONCE = 4  # presets that a page shows without being asked


@dataclass(frozen=True, slots=True)
class Choices:
    """What a form of options can offer. `model` is the one that would answer, "" where nobody knows which.

    `engine` is the name of what runs it. Mappings are of values to words; an empty one offers nothing.
    """

    model: str
    engine: str
    about: About
    usual_loading_seconds: float | None
    models: Mapping[str, str]
    keep_alives: Mapping[str, str]
    thinking: Mapping[str, str]
    sends_instructions: bool


def choices(wishes: Wishes, *, of_any_model: bool = False) -> Choices:
    """For the model that is wished; `of_any_model`: it is not known yet which one it will be."""
    found = services()
    limits, wished = found.options.limits, wishes.model or ""
    standing = found.engine.standing
    engine = (standing.engine_name or standing.wanted) if of_any_model else found.engine.engine_of(wished)
    model = "" if of_any_model else found.engine.resolved(wished)
    known = model and not of_any_model
    return Choices(
        model=model,
        engine=engine or found.settings.engine,
        about=found.engine.about(model, Stop()) if known else About(),
        usual_loading_seconds=found.conversations.usual_loading_seconds(model) if known else None,
        models=_models(wished, any_words=_("Whichever is chosen") if of_any_model else _("The best there is")),
        keep_alives={value: _(said) for value, said in KEEP_ALIVE_WORDS.items() if value in ("", *limits.keep_alives)}
        if limits.keep_alives
        else {},
        thinking={value: _(said) for value, said in THINKING_WORDS.items()},
        sends_instructions=_sends_instructions(),
    )


def beginning() -> Preset | None:
    """What the new chat of this page begins with, if somebody chose something; of a chat that has begun nothing."""
    if place_of_page() not in ("", "temporary"):
        return None
    if "beginning" in g:
        chosen: Preset = g.beginning
        return chosen
    if request.method == "POST" and "preset" not in request.args:
        form = BeginningForm()
        sent = Preset(form.name, "", form.own, form.wishes)
        is_one = bool(sent.id or sent.instructions or sent.wishes != Wishes())
        return replace(sent, name=_name_of(sent.id)) if is_one else None
    return preset_of(request.args.get("preset", ""))


def preset_of(preset_id: str) -> Preset | None:
    """A preset that whoever asks can choose, without a model that they may not ask; None where there is none."""
    if not preset_id:
        return None
    try:
        found = services().presets.find(preset_id, me().id)
    except NotThere:
        return None
    model = found.wishes.model
    return found if model is None or may_use(model) else replace(found, wishes=replace(found.wishes, model=None))


def presets(chosen: str) -> tuple[list[Preset], list[Preset]]:
    """All that whoever asks can choose, theirs first: those to see at once, the chosen one among them, and the rest."""
    every = services().presets.of(me().id) + built_in()
    few = len(every) if len(every) <= AT_ONCE + 1 else AT_ONCE  # to fold one away would save nothing
    return (
        [each for place, each in enumerate(every) if place < few or each.id == chosen],
        [each for place, each in enumerate(every) if place >= few and each.id != chosen],
    )


def is_kept(form: PresetForm | SavedPromptForm, keep: Callable[[], object]) -> bool:
    """Whether there was room for what the form holds; else the form says that there was not."""
    try:
        keep()
    except TooManyKept as error:
        form.name.errors = [f"{error.cause} {error.next_step}"]
        return False
    return True


def options_of_page() -> tuple[str, dict[str, str]]:
    """The endpoint of the options of the chat that this page is about, and what its address needs."""
    if (place := place_of_page()) not in ("", "temporary"):
        return "options.page", {"conversation_id": place}
    chosen = beginning()
    about = {"preset": chosen.id if chosen else "", "temporary": "1" if is_of_temporary() else ""}
    return "options.beginning", {name: value for name, value in about.items() if value}


def place_of_page() -> str:
    """The chat that this page is about: its id, "temporary" for a new temporary one, "" for another new one."""
    if named := (request.view_args or {}).get("conversation_id") or request.args.get("to"):
        return str(named)
    return "temporary" if request.path == "/temporary" or request.values.get("temporary") == "1" else ""


def address_to_send() -> str:
    """Where the chat that this page is about takes a prompt."""
    if request.blueprint == "chat":
        return request.path
    place = place_of_page()
    if place in ("", "temporary"):
        return url_for("sending.begin_temporary" if place else "sending.begin")
    return url_for("sending.send", conversation_id=place)


def way_of_page() -> dict[str, str]:
    """What an address needs so that a page that is gone to for a while leads back to the chat of this one."""
    chosen = beginning()
    way = {"to": place_of_page(), "preset": chosen.id if chosen else ""}
    return {name: value for name, value in way.items() if value}


def is_of_temporary() -> bool:
    """Whether this page is about a temporary chat, or a new one."""
    place = place_of_page()
    return place == "temporary" or is_temporary(place)


def _models(wished: str, any_words: str) -> dict[str, str]:
    names = {each.name: each.name for each in allowed(services().engine.standing.models) if not each.refused}
    if wished and wished not in names:
        names = {wished: _("%(model)s (not installed)", model=wished), **names}
    return {"": any_words, **names}


def _sends_instructions() -> bool:
    try:
        return services().instructions.parts().with_own
    except RulesUnreadable:
        return True


def _name_of(preset_id: str) -> str:
    found = preset_of(preset_id)
    return found.name if found else ""
