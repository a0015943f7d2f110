"""The page where rules are set: each rule, their order, a try, sets of rules, files, and what was changed by whom."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError

from insight_app.accounts.guards import expect_admin, somebody
from insight_app.errors import ChangedMeanwhile, FormExpired, InsightError, NotThere, TooLarge
from insight_app.moderation import pages, rule_files
from insight_app.moderation.forms import ImportForm, RuleForm, TryForm
from insight_app.moderation.rule_lines import Line
from insight_app.moderation.rule_list import RuleList
from insight_app.moderation.rule_sets import RULE_SETS, RuleSet, in_the_readers_language
from insight_app.moderation.trying import Tried, tried_in
from insight_app.refusals import show
from insight_app.web import add_settings_page, from_htmx, services, who
from insight_app.words import N_, _

moderation = Blueprint("moderation", __name__, url_prefix="/settings/moderation")
moderation.before_request(expect_admin)
CHANGES_A_PAGE = 30


def rule_list() -> RuleList:
    return RuleList(services().rules, who())


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
    rule = form.rule(rule_files.new_id())
    if rule is None:
        return _form_again(pages.NEW, form)
    done = rule_list().set([rule])
    return pages.added(rule_list().line(rule.id)) if from_htmx() else _to_page(done, rule.id)


@moderation.get("/rules/<id>")
def row(id: str) -> ResponseReturnValue:
    """The rule as it is when nobody edits it."""
    return pages.row(rule_list().line(id)) if from_htmx() else _to_page(at=id)


@moderation.get("/rules/<id>/edit")
def edit(id: str) -> str:
    form = RuleForm.of(rule_list().line(id))
    return pages.rule_form(id, form) if from_htmx() else pages.page(editing=id, form=form)


@moderation.post("/rules/<id>")
def save(id: str) -> ResponseReturnValue:
    """Saves the rule, unless it is no longer the one that the form was made from: then both are shown."""
    form = RuleForm()
    rule = form.rule(id)
    if rule is None:
        return _form_again(id, form)
    try:
        done = rule_list().save(rule, form.seen.data or "")
    except ChangedMeanwhile as error:
        theirs = next((line for line in rule_list().lines() if line.id == id), None)
        form.seen.data = theirs.mark if theirs else ""
        return _form_again(id, form, theirs or "gone", error.status)
    return pages.saved(rule_list().line(id)) if from_htmx() else _to_page(done, id)


@moderation.post("/rules/<id>/switch")
def switch(id: str) -> ResponseReturnValue:
    """On or off, as the button said."""
    done = rule_list().switch(id, request.form.get("is_on") == "yes")
    return pages.switched(rule_list().line(id)) if from_htmx() else _to_page(done, id)


@moderation.post("/rules/<id>/move")
def move(id: str) -> ResponseReturnValue:
    """One place up or down, as the button said."""
    by = -1 if request.form.get("way") == "up" else 1
    done = rule_list().move(id, by)
    if from_htmx():
        return pages.moved(rule_list().lines(), id, by, has_moved=done is not None)
    return _to_page(done, id)


@moderation.post("/rules/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    line = rule_list().line(id)
    done = rule_list().delete(id)
    return pages.deleted(line, done) if from_htmx() else _to_page(done)


@moderation.post("/changes/<int:change_id>/undo")
def undo(change_id: int) -> ResponseReturnValue:
    """Sets what the change touched as it was before; that is a change too."""
    touched = list(services().rules.one_change(change_id).before)
    done = rule_list().undo(change_id)
    return pages.brought_back(rule_list().line(touched[0])) if from_htmx() else _to_page(done)


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
    """What came of it, or why nothing did; "" where that stands beside the form's fields."""
    sample = form.sample()
    if sample is None:
        return ""
    edited = form.rule(id, unnamed=_("This rule")) if isinstance(form, RuleForm) else None
    if isinstance(form, RuleForm) and edited is None:
        return " ".join([_("The rule cannot be tried yet."), *form.problems()])
    return tried_in(rule_list().lines(), edited, *sample)


@moderation.get("/sets/<name>")
def rule_set(name: str) -> str:
    found = _rule_set(name)
    said = rule_list().would_change(in_the_readers_language(found))
    action = url_for("moderation.load_rule_set", name=name)
    heading = _("The rule set “%(name)s”", name=_(found.name))
    return pages.preview(heading, [_(found.purpose), _(found.limits)], said, action, _("Load these rules"))


@moderation.post("/sets/<name>")
def load_rule_set(name: str) -> ResponseReturnValue:
    return _to_page(rule_list().set(in_the_readers_language(_rule_set(name))))


def _rule_set(name: str) -> RuleSet:
    if name not in RULE_SETS:
        raise NotThere
    return RULE_SETS[name]


@moderation.get("/export")
def export() -> Response:
    content = rule_files.as_file(line.rule for line in rule_list().lines() if line.rule)
    headers = {"Content-Disposition": 'attachment; filename="rules.json"'}
    return Response(content, content_type="application/json; charset=utf-8", headers=headers)


@moderation.get("/import")
def import_form() -> str:
    return pages.import_page(ImportForm(formdata=None))


@moderation.post("/import")
def import_file() -> ResponseReturnValue:
    """First tells what the file would change; does it where the form says that this was seen."""
    form = ImportForm()
    content = form.content()
    if content is None:
        return pages.import_page(form), 422
    try:
        rules = rule_files.from_file(content)
    except rule_files.BadFile as bad:
        form.pasted.data = content
        return pages.import_page(form, bad.problems), 422
    instead = bool(form.instead.data)
    if request.form.get("seen") == "yes":
        return _to_page(rule_list().set(rules, instead=instead))
    said = rule_list().would_change(rules, instead=instead)
    fields = {"pasted": rule_files.as_file(rules), "seen": "yes", **({"instead": "y"} if instead else {})}
    return pages.preview(_("Import rules"), [], said, url_for("moderation.import_file"), _("Import"), fields)


@moderation.get("/history")
def history() -> str:
    before = request.args.get("before", type=int)
    found = services().rules.changes(CHANGES_A_PAGE + 1, before)
    shown = found[:CHANGES_A_PAGE]
    return pages.history(shown, shown[-1].id if len(found) > len(shown) else None)


@moderation.errorhandler(InsightError)
@moderation.errorhandler(CSRFError)
def with_what_was_typed(error: InsightError | CSRFError) -> ResponseReturnValue:
    """A form that could not be taken comes back with what was typed, and with what is wrong; to an admin."""
    told = error if isinstance(error, InsightError) else FormExpired()
    person = somebody()
    if person is None or not person.is_admin:  # what is drawn around it holds all rules
        return show(told)
    try:
        return _typed_again(told) or show(told)
    except InsightError:  # the page cannot be drawn either
        return show(told)


def _typed_again(error: InsightError) -> ResponseReturnValue | None:
    """None where nothing was typed, or nothing of it could be read."""
    if request.method != "POST" or isinstance(error, TooLarge):
        return None
    if request.endpoint == "moderation.import_file":
        return pages.import_page(ImportForm(), [str(error)]), error.status
    id = (request.view_args or {}).get("id") or request.form.get("editing")
    if request.endpoint == "moderation.try_" and not id:
        trying = TryForm()
        trying.try_text.errors = [str(error)]
        return pages.tried_html(trying, "") if from_htmx() else pages.page(trying=trying), error.status
    if request.endpoint in ("moderation.add", "moderation.save", "moderation.try_"):
        form = RuleForm()
        form.name.errors = [str(error)]
        return _form_again(id or pages.NEW, form, status=error.status)
    return None


def _form_again(id: str, form: RuleForm, conflict: Line | str = "", status: int = 422) -> ResponseReturnValue:
    if from_htmx():
        return pages.rule_form(id, form, conflict), status
    return pages.page(editing=id, form=form, trying=form, conflict=conflict), status


def _to_page(done: int | None = None, at: str = "") -> ResponseReturnValue:
    return redirect(url_for("moderation.page", done=done, _anchor=at or ("done" if done else None)), 303)


def register(app: Flask) -> None:
    app.register_blueprint(moderation)
    add_settings_page(app, N_("Moderation"), "moderation.page", for_admins=True)
