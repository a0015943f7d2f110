"""The settings page of presets and saved prompts: each makes, changes and deletes their own."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from insight_app.accounts.guards import me
from insight_app.chat import option_pages
from insight_app.chat.option_forms import PresetForm, SavedPromptForm
from insight_app.chat.options import Wishes
from insight_app.chat.presets import Preset, built_in
from insight_app.chat.saved_prompts import SavedPrompt, found
from insight_app.chat.variables import variables
from insight_app.errors import NotThere
from insight_app.web import add_settings_page, services
from insight_app.words import N_

presets = Blueprint("presets", __name__, url_prefix="/settings/presets")
DONE = {"saved": N_("Saved."), "deleted": N_("Deleted.")}
# More than one sees at a glance: then there is a field to search them.
MANY = 8


@presets.get("")
def page() -> str:
    wanted = request.args.get("find", "")
    saved = services().saved_prompts.of(me().id)
    return render_template(
        "chat/presets.html",
        built_in=built_in(),
        own=services().presets.of(me().id),
        saved=found(saved, wanted),
        wanted=wanted,
        has_many=len(saved) > MANY,
        done=DONE.get(request.args.get("done", "")),
    )


@presets.get("/new")
def new() -> str:
    """A form for a preset; ?from= begins with what another one has."""
    begun = option_pages.preset_of(request.args.get("from", ""))
    wishes = begun.wishes if begun else Wishes()
    form = PresetForm(services().options.limits, wishes, instructions=begun.instructions if begun else "")
    return _preset_page(form, wishes)


@presets.post("")
def add() -> ResponseReturnValue:
    form = PresetForm(services().options.limits)
    if not form.validate() or not option_pages.is_kept(form, lambda: _add(form)):
        return _preset_page(form, Wishes()), 422
    return _back("saved")


def _add(form: PresetForm) -> str:
    return services().presets.add(me().id, form.called, form.own, _wishes(form, Wishes()))


@presets.get("/<preset_id>")
def edit(preset_id: str) -> str:
    preset = _own_preset(preset_id)
    form = PresetForm(services().options.limits, preset.wishes, instructions=preset.instructions, name=preset.name)
    return _preset_page(form, preset.wishes, preset)


@presets.post("/<preset_id>")
def change(preset_id: str) -> ResponseReturnValue:
    preset = _own_preset(preset_id)
    form = PresetForm(services().options.limits)
    if not form.validate():
        return _preset_page(form, preset.wishes, preset), 422
    services().presets.change(preset_id, me().id, form.called, form.own, _wishes(form, preset.wishes))
    return _back("saved")


@presets.post("/<preset_id>/delete")
def delete(preset_id: str) -> ResponseReturnValue:
    services().presets.delete(preset_id, me().id)
    return _back("deleted")


@presets.get("/prompts/new")
def new_prompt() -> str:
    return _prompt_page(_prompt_form())


@presets.post("/prompts")
def add_prompt() -> ResponseReturnValue:
    form = _prompt_form()
    if not form.validate() or not option_pages.is_kept(form, lambda: _add_prompt(form)):
        return _prompt_page(form), 422
    return _back("saved")


def _add_prompt(form: SavedPromptForm) -> str:
    return services().saved_prompts.add(me().id, form.called, form.said)


@presets.get("/prompts/<saved_id>")
def edit_prompt(saved_id: str) -> str:
    prompt = services().saved_prompts.find(saved_id, me().id)
    form = SavedPromptForm(services().settings.max_prompt_chars, formdata=None, name=prompt.name, text=prompt.text)
    return _prompt_page(form, prompt)


@presets.post("/prompts/<saved_id>")
def change_prompt(saved_id: str) -> ResponseReturnValue:
    prompt = services().saved_prompts.find(saved_id, me().id)
    form = _prompt_form()
    if not form.validate():
        return _prompt_page(form, prompt), 422
    services().saved_prompts.change(saved_id, me().id, form.called, form.said)
    return _back("saved")


@presets.post("/prompts/<saved_id>/delete")
def delete_prompt(saved_id: str) -> ResponseReturnValue:
    services().saved_prompts.delete(saved_id, me().id)
    return _back("deleted")


def _own_preset(preset_id: str) -> Preset:
    """Raises NotThere, also for those that nobody can change."""
    preset = services().presets.find(preset_id, me().id)
    if preset.is_built_in:
        raise NotThere
    return preset


def _wishes(form: PresetForm, before: Wishes) -> Wishes:
    """A model of "" is the one that happens to be chosen."""
    wishes = form.wishes(before)
    return replace(wishes, model=wishes.model or None)


def _prompt_form() -> SavedPromptForm:
    return SavedPromptForm(services().settings.max_prompt_chars)


def _preset_page(form: PresetForm, wishes: Wishes, preset: Preset | None = None) -> str:
    return render_template(
        "chat/preset.html",
        form=form,
        address=url_for("presets.change", preset_id=preset.id) if preset else url_for("presets.add"),
        is_new=preset is None,
        choices=option_pages.choices(wishes, of_any_model=not wishes.model),
        limits=services().options.limits,
    )


def _prompt_page(form: SavedPromptForm, prompt: SavedPrompt | None = None) -> str:
    return render_template(
        "chat/saved_prompt.html",
        form=form,
        address=url_for("presets.change_prompt", saved_id=prompt.id) if prompt else url_for("presets.add_prompt"),
        is_new=prompt is None,
        variables=variables(prompt.text) if prompt else [],
    )


def _back(done: str) -> ResponseReturnValue:
    return redirect(url_for("presets.page", done=done), 303)


def register(app: Flask) -> None:
    app.register_blueprint(presets)
    add_settings_page(app, N_("Presets"), "presets.page")
