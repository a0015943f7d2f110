"""The page where rules are set: each rule, their order, a try, presets, files, and what was changed by whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from flask import Blueprint, Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import escape

from insight_app.errors import ChangedMeanwhile, NotThere, TooManyRules
from insight_app.moderation import arranging, drafts, pages, presets, sharing, wording
from insight_app.moderation.arranging import After, Line, lines
from insight_app.moderation.forms import ImportForm, RuleForm, TryForm
from insight_app.moderation.store import Entry
from insight_app.moderation.trying import Tried, tried
from insight_app.rendering.swaps import swap
from insight_app.web import add_settings_page, from_htmx, services

moderation = Blueprint("moderation", __name__, url_prefix="/settings/moderation")
CHANGES_A_PAGE = 30
Found = TypeVar("Found")
ATTEMPTS = 5  # to change what others change at the same time


def who() -> str:
    """Who changes something, as the history says it."""
    return "you"


@moderation.get("")
def page() -> str:
    """With ?done=ID it says what that change was, and offers the way back."""
    number = request.args.get("done", type=int)
    return pages.page(done=services().rules.one_change(number) if number else None)


@moderation.get("/rules/new")
def new() -> str:
    form = RuleForm(formdata=None)
    return pages.rule_form(pages.NEW, form) if from_htmx() else pages.page(editing=pages.NEW, form=form)


@moderation.get("/rules/cancelled")
def cancelled() -> ResponseReturnValue:
    """What stands where the form of a new rule was."""
    return pages.add_link() if from_htmx() else _to_page()


@moderation.post("/rules")
def add() -> ResponseReturnValue:
    form = RuleForm()
    rule = form.rule(sharing.new_id())
    if rule is None:
        return _form_again(pages.NEW, form)
    try:
        done = _change(lambda entries: _room_for(arranging.saved(entries, [rule]), entries))
    except TooManyRules as error:
        form.name.errors = [str(error)]
        return _form_again(pages.NEW, form)
    if not from_htmx():
        return _to_page(done, rule.id)
    said = f"“{rule.name}” was added."
    shown = swap("#rules", "beforeend", pages.row(_line(rule.id), said))
    return pages.add_link() + shown + _announced(said)


@moderation.get("/rules/<id>")
def row(id: str) -> ResponseReturnValue:
    """The rule as it is when nobody edits it."""
    return pages.row(_line(id)) if from_htmx() else _to_page(at=id)


@moderation.get("/rules/<id>/edit")
def edit(id: str) -> str:
    line = _line(id)
    form = RuleForm.of(line)
    return pages.rule_form(id, form) if from_htmx() else pages.page(editing=id, form=form)


@moderation.post("/rules/<id>")
def save(id: str) -> ResponseReturnValue:
    """Saves the rule, unless it is no longer the one that the form was made from."""
    form = RuleForm()
    rule = form.rule(id)
    version, entries = services().rules.as_kept()
    now = next((line for line in lines(entries) if line.id == id), None)
    if form.seen.data != (arranging.mark(now.entry.body) if now else ""):
        form.seen.data = arranging.mark(now.entry.body) if now else ""
        return _form_again(id, form, now or "gone", 409)
    if rule is None:
        return _form_again(id, form)
    after = arranging.saved(entries, [rule])
    done = services().rules.change(who(), after, seen=version) if after else None
    if not from_htmx():
        return _to_page(done, id)
    said = f"“{rule.name}” was saved."
    return pages.row(_line(id), said) + _announced(said)


@moderation.post("/rules/<id>/switch")
def switch(id: str) -> ResponseReturnValue:
    """Switches the rule on where it is off, and the other way round: to what the button said."""
    is_on = request.form.get("is_on") == "yes"
    done = _change(lambda entries: arranging.switched(_of(id, entries).entry, is_on))
    if not from_htmx():
        return _to_page(done, id)
    line = _line(id)
    return pages.row(line) + _announced(f"“{line.name}” is switched {'on' if is_on else 'off'}.")


@moderation.post("/rules/<id>/move")
def move(id: str) -> ResponseReturnValue:
    """One place up or down, as the button said."""
    by = -1 if request.form.get("way") == "up" else 1
    done = _change(lambda entries: arranging.moved(entries, _of(id, entries).id, by))
    if not from_htmx():
        return _to_page(done, id)
    line = _line(id)
    if done is None:
        return _announced(f"“{line.name}” is the {'first' if by < 0 else 'last'} rule already.")
    listed = lines(services().rules.as_kept()[1])
    at = [each.id for each in listed].index(id)
    beside = listed[at - by].id
    taken = swap(f"[id='{id}']", "delete", "")
    put = swap(f"[id='{beside}']", "beforebegin" if by < 0 else "afterend", pages.row(line))
    return taken + put + _announced(f"“{line.name}” is number {at + 1} of {len(listed)} now.")


@moderation.post("/rules/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    line = _line(id)
    done = services().rules.change(who(), {id: None})
    return pages.deleted_row(line, done) + _announced(f"“{line.name}” was deleted.") if from_htmx() else _to_page(done)


@moderation.post("/changes/<int:change_id>/undo")
def undo(change_id: int) -> ResponseReturnValue:
    """Sets what the change touched as it was before; that is a change too."""
    touched = services().rules.one_change(change_id).before
    done = services().rules.undo(change_id, who())
    only = next(iter(touched))
    if not from_htmx():
        return _to_page(done, only if len(touched) == 1 else "")
    line = _line(only)
    return pages.row(line, "It is back.") + _announced(f"“{line.name}” is back.")


@moderation.post("/try")
def try_() -> ResponseReturnValue:
    """Runs a text through the rules, with the one that is being edited as its form says. Nothing of it is kept."""
    id = request.form.get("editing", "")
    form = RuleForm() if id else TryForm()
    result = _tried(id, form)
    if from_htmx():
        return pages.tried_html(form, result)
    return pages.page(editing=id, form=form if isinstance(form, RuleForm) else None, trying=form, tried=result)


def _tried(id: str, form: TryForm) -> Tried | str:
    sample = form.sample()
    if sample is None:
        return ""
    listed = lines(services().rules.as_kept()[1])
    if broken := [line for line in listed if line.rule is None and line.is_on]:
        return f"Nothing is let through: “{broken[0].name}” cannot be used."
    rules = [line.rule for line in listed if line.rule]
    if isinstance(form, RuleForm):
        rule = form.rule(id, unnamed="This rule")
        if rule is None:
            return "The rule cannot be tried yet: " + " ".join(form.problems())
        rules = [rule if other.id == id else other for other in rules]
        rules += [] if rule in rules else [rule]
    try:
        return tried(rules, *sample)
    except ValueError as error:
        return f"Nothing is let through: {error}"


@moderation.get("/presets/<name>")
def preset(name: str) -> str:
    found = _there(presets.PRESETS.get(name))
    entries = services().rules.as_kept()[1]
    said = wording.in_words(_by_id(entries), arranging.saved(entries, found.rules))
    action = url_for("moderation.load_preset", name=name)
    return pages.preview(f"The preset “{found.name}”", [found.purpose, found.limits], said, action)


@moderation.post("/presets/<name>")
def load_preset(name: str) -> ResponseReturnValue:
    found = _there(presets.PRESETS.get(name))
    return _to_page(_change(lambda entries: _room_for(arranging.saved(entries, found.rules), entries)))


@moderation.get("/export")
def export() -> Response:
    listed = lines(services().rules.as_kept()[1])
    content = sharing.as_file(line.rule for line in listed if line.rule)
    headers = {"Content-Disposition": 'attachment; filename="rules.json"'}
    return Response(content, content_type="application/json; charset=utf-8", headers=headers)


@moderation.get("/import")
def import_form() -> str:
    return pages.import_page(ImportForm(formdata=None))


@moderation.post("/import")
def import_file() -> ResponseReturnValue:
    """First tells what the file would change; does it where the form says that it was told."""
    form = ImportForm()
    content = form.content()
    if content is None:
        return pages.import_page(form), 422
    try:
        rules = sharing.from_file(content)
    except sharing.BadFile as bad:
        form.pasted.data = content
        return pages.import_page(form, bad.problems), 422

    def planned(entries: Sequence[Entry]) -> After:
        return arranging.instead(entries, rules) if form.instead.data else arranging.saved(entries, rules)

    if request.form.get("seen") == "yes":
        return _to_page(_change(lambda entries: _room_for(planned(entries), entries)))
    entries = services().rules.as_kept()[1]
    said = wording.in_words(_by_id(entries), planned(entries))
    fields = {"pasted": sharing.as_file(rules), "seen": "yes", **({"instead": "y"} if form.instead.data else {})}
    return pages.preview("Import rules", [], said, url_for("moderation.import_file"), fields)


@moderation.get("/history")
def history() -> str:
    before = request.args.get("before", type=int)
    found = services().rules.changes(CHANGES_A_PAGE + 1, before)
    shown = found[:CHANGES_A_PAGE]
    return pages.history(shown, shown[-1].id if len(found) > len(shown) else None)


def _change(plan: Callable[[Sequence[Entry]], After]) -> int | None:
    """Does what is planned for the entries as they are now; None where that is nothing. The change's id."""
    for attempt in range(ATTEMPTS):
        version, entries = services().rules.as_kept()
        after = plan(entries)
        try:
            return services().rules.change(who(), after, seen=version) if after else None
        except ChangedMeanwhile:
            if attempt + 1 == ATTEMPTS:
                raise
    return None


def _room_for(after: After, entries: Sequence[Entry]) -> After:
    """The same, unless there would be too many rules."""
    there = {line.id for line in lines(entries)}
    there = (there | {id for id, entry in after.items() if entry}) - {id for id, entry in after.items() if not entry}
    if len(there) > drafts.MOST_RULES:
        raise TooManyRules(limit=drafts.MOST_RULES)
    return after


def _line(id: str) -> Line:
    return _of(id, services().rules.as_kept()[1])


def _of(id: str, entries: Sequence[Entry]) -> Line:
    return _there(next((line for line in lines(entries) if line.id == id), None))


def _there(found: Found | None) -> Found:
    if found is None:
        raise NotThere
    return found


def _by_id(entries: Sequence[Entry]) -> dict[str, Entry]:
    return {entry.id: entry for entry in entries}


def _form_again(id: str, form: RuleForm, conflict: Line | str = "", status: int = 422) -> ResponseReturnValue:
    if from_htmx():
        return pages.rule_form(id, form, conflict), status
    return pages.page(editing=id, form=form, trying=form, conflict=conflict), status


def _announced(said: str) -> str:
    return swap("#announcer", "innerHTML", str(escape(said)))


def _to_page(done: int | None = None, at: str = "") -> ResponseReturnValue:
    return redirect(url_for("moderation.page", done=done, _anchor=at or ("done" if done else None)), 303)


def register(app: Flask) -> None:
    app.register_blueprint(moderation)
    add_settings_page(app, "Moderation", "moderation.page")
