"""What is drawn of moderation: the page, and the rows, forms and results that are swapped into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from flask import render_template

from insight_app.errors import RulesUnreadable, ScreeningFailed
from insight_app.moderation import checking, personal_names, rule_sets, wording
from insight_app.moderation.forms import ImportForm, RuleForm, TryForm
from insight_app.moderation.matcher import LONGEST_PATTERN, LONGEST_TEXT
from insight_app.moderation.rule_lines import Line, lines
from insight_app.moderation.store import Change
from insight_app.moderation.trying import Tried
from insight_app.rendering.swaps import announce, swap
from insight_app.web import draw, services
from insight_app.words import _, said_number

NEW = "new"  # instead of an id: the rule that is being added
LIMITS = {"rules": checking.MOST_RULES, "list": LONGEST_TEXT, "pattern": LONGEST_PATTERN}
WORDS = {
    "sought": wording.sought,
    "text_of": wording.text_of,
    "fate": wording.fate,
    "kinds": wording.KINDS,
    "personal_names": personal_names.said,
    "how_often": wording.how_often,
}


def page(
    *,
    editing: str = "",
    form: RuleForm | None = None,
    conflict: Line | str = "",
    trying: TryForm | None = None,
    tried: Tried | str = "",
    done: Change | None = None,
) -> str:
    """The whole page; `editing` is the id of the rule whose form is open, NEW for a new one, "" for none.

    `tried` is what came of a try, or why nothing did; `conflict` what somebody else made of the rule meanwhile.
    """
    listed, problem = current()
    return render_template(
        "moderation/page.html",
        lines=listed,
        problem=problem,
        enabled=services().settings.enable_moderation,
        counted=services().rules.counted(),
        rule_sets=rule_sets.RULE_SETS.values(),
        limits=LIMITS,
        editing=editing,
        form=form,
        conflict=conflict,
        trying=trying or TryForm(formdata=None),
        tried=tried,
        done=done,
        said=wording.change_in_words(done) if done else [],
        **WORDS,
    )


def current() -> tuple[list[Line], str]:
    """The rules as they are kept, each with what is wrong with it; and why nothing is let through, or ""."""
    found = lines(services().rules.as_kept()[1])
    try:
        services().moderation.prompt("")
    except (RulesUnreadable, ScreeningFailed) as error:
        return [_looked_into(line) for line in found], error.cause
    return found, ""


def _looked_into(line: Line) -> Line:
    if line.rule is None or not line.rule.is_on:
        return line
    return Line(line.entry, line.rule, checking.unusable(line.rule))


def row(line: Line, said: str = "") -> str:
    counted = services().rules.counted()
    return draw("moderation/_rule.html", line=_looked_into(line), counted=counted, said=said, **WORDS)


def rule_form(id: str, form: RuleForm, conflict: Line | str = "") -> str:
    return draw("moderation/_rule_form.html", editing=id, form=form, conflict=conflict, tried="", **WORDS)


def add_link() -> str:
    return draw("moderation/_add.html")


def added(line: Line) -> str:
    """For the form of a new rule: the link that led there, and the rule at the end of the list."""
    said = _("“%(rule)s” was added.", rule=line.name)
    return add_link() + swap("#rules", "beforeend", row(line, said)) + announcement(said)


def saved(line: Line) -> str:
    said = _("“%(rule)s” was saved.", rule=line.name)
    return row(line, said) + announcement(said)


def switched(line: Line) -> str:
    said = _("“%(rule)s” is switched on.") if line.is_on else _("“%(rule)s” is switched off.")
    return row(line) + announcement(said % {"rule": line.name})


def moved(listed: Sequence[Line], id: str, by: int, *, has_moved: bool) -> str:
    """The row alone goes to its new place, so that whatever is open in others stays."""
    at = [line.id for line in listed].index(id)
    line = listed[at]
    if not has_moved:
        said = _("“%(rule)s” is the first rule already.") if by < 0 else _("“%(rule)s” is the last rule already.")
        return announcement(said % {"rule": line.name})
    taken = swap(f"[id='{id}']", "delete", "")
    put = swap(f"[id='{listed[at - by].id}']", "beforebegin" if by < 0 else "afterend", row(line))
    place, count = said_number(at + 1), said_number(len(listed))
    said = _("“%(rule)s” is number %(place)s of %(count)s now.", rule=line.name, place=place, count=count)
    return taken + put + announcement(said)


def deleted(line: Line, change_id: int) -> str:
    """Where the rule was: that it is gone, and the way back."""
    gone = draw("moderation/_deleted.html", line=line, change_id=change_id)
    return gone + announcement(_("“%(rule)s” was deleted.", rule=line.name))


def brought_back(line: Line) -> str:
    return row(line, _("It is back.")) + announcement(_("“%(rule)s” is back.", rule=line.name))


def announcement(said: str) -> str:
    """For screen readers; what went wrong before is over."""
    return announce(said) + swap("#notice", "innerHTML swapEmpty:true", "")


def tried_html(form: TryForm, tried: Tried | str) -> str:
    return draw("moderation/_tried.html", trying=form, tried=tried, **WORDS)


def history(changes: Sequence[Change], older: int | None) -> str:
    """`older`: the id before which older changes are, None where there are none."""
    told = [(change, wording.change_in_words(change), _time(change.at)) for change in changes]
    return render_template("moderation/history.html", told=told, older=older)


def preview(
    heading: str,
    explained: Sequence[str],
    said: Sequence[str],
    action: str,
    button: str,
    fields: Mapping[str, str] | None = None,
) -> str:
    """What a set of rules would change, in words, and the button that does it; `fields` go along with that."""
    return render_template(
        "moderation/preview.html",
        heading=heading,
        explained=explained,
        said=said,
        action=action,
        button=button,
        fields=fields or {},
    )


def import_page(form: ImportForm, problems: Sequence[str] = ()) -> str:
    return render_template("moderation/import.html", form=form, problems=problems, limits=LIMITS)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)
