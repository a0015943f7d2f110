"""Llama Guard 3 and 4: one question for all categories, answered by "safe", or by "unsafe" and their codes.

The first line is the verdict, the second a list of codes separated by commas; with an answer in the conversation the
answer is judged, else the prompt (llama.com/docs/model-cards-and-prompt-formats/llama-guard-3). Ollama's template makes
that format of ordinary turns (ollama.com/library/llama-guard3). Codes of Llama Guard 1 and 2 mean something else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from insight_app.moderation.judge_families import Category, Exchange, Fate, Question, Role, plain
from insight_app.words import N_

# Also where it says "unsafe" and no code that is known.
OTHER = "other"


class LlamaGuard:
    name = "Llama Guard 3"
    example = "llama-guard3:1b"
    each_asked = False
    categories: Sequence[Category] = (
        Category("S1", N_("Violent crimes"), N_("It seems to be about violent crimes.")),
        Category(
            "S2",
            N_("Crimes such as fraud, theft, drugs or hacking"),
            N_("It seems to be about crimes such as fraud, theft, drugs or hacking."),
        ),
        Category("S3", N_("Sexual crimes"), N_("It seems to be about sexual crimes.")),
        Category("S4", N_("Sexual abuse of children"), N_("It seems to be about sexual abuse of children.")),
        Category(
            "S5",
            N_("False claims that harm somebody’s name"),
            N_("It seems to be about false claims that harm somebody’s name."),
            Fate.FLAG,
        ),
        Category(
            "S6",
            N_("Medical, legal or financial advice"),
            N_("It seems to be about medical, legal or financial advice."),
            Fate.FLAG,
        ),
        Category(
            "S7",
            N_("Private facts about somebody"),
            N_("It seems to be about private facts about somebody."),
            Fate.FLAG,
        ),
        Category(
            "S8",
            N_("Other people’s intellectual property"),
            N_("It seems to be about other people’s intellectual property."),
            Fate.FLAG,
        ),
        Category("S9", N_("Weapons that kill many people"), N_("It seems to be about weapons that kill many people.")),
        Category(
            "S10", N_("Hate against a group of people"), N_("It seems to be about hate against a group of people.")
        ),
        Category(
            "S11",
            N_("Suicide or self-harm"),
            N_(
                "It seems to be about suicide or self-harm. If it is about you: you are not alone. Please call someone"
                " you trust, or your country’s emergency number."
            ),
        ),
        Category("S12", N_("Sexual content"), N_("It seems to be about sexual content."), Fate.FLAG),
        Category(
            "S13", N_("Wrong facts about elections"), N_("It seems to be about wrong facts about elections."), Fate.FLAG
        ),
        Category(
            "S14", N_("Abuse of a code interpreter"), N_("It seems to be about abuse of a code interpreter."), Fate.FLAG
        ),
        Category(
            OTHER,
            N_("Something else that is called unsafe"),
            N_("It seems to be about something else that is called unsafe."),
        ),
    )

    def knows(self, model: str) -> bool:
        return re.search(r"llama[-_.]?guard[-_.]?[34](?!\d)", model) is not None

    def questions(self, exchange: Exchange, codes: Sequence[str]) -> Sequence[Question]:
        turns: list[tuple[Role, str]] = [("user", plain(exchange.prompt))]
        if exchange.answer is not None:
            turns.append(("assistant", plain(exchange.answer)))
        return [Question(turns)]

    def found(self, question: Question, reply: str) -> Collection[str]:
        verdict = re.fullmatch(r"\s*(safe|unsafe)\s*([Ss]\d{1,2}(?:[,\s]+[Ss]\d{1,2})*)?[\s,]*", reply)
        if verdict is None or (verdict[1] == "safe" and verdict[2]):
            raise ValueError("neither safe nor unsafe")
        if verdict[1] == "safe":
            return ()
        known = {category.code for category in self.categories}
        codes = re.findall(r"S\d+", (verdict[2] or OTHER).upper())
        return [code if code in known else OTHER for code in codes] or [OTHER]
