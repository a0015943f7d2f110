"""Granite Guardian 3 and 4: asked about one risk at a time, and answers "Yes" or "No", from 3.3 on between score marks.

The risk's name is the whole system turn; the last turn is what is judged, the one before it goes along
(the templates of ollama.com/library/granite3-guardian and granite4.1-guardian). A name that a template does not know
is judged as "harm", so only names are here that all versions know. 3.2 adds how sure it is, 3.3 may think first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from insight_app.moderation.judge_families import Category, Exchange, Fate, Question, Role, plain, yes_or_no
from insight_app.words import N_


class GraniteGuardian:
    name = "Granite Guardian"
    example = "granite3-guardian:2b"
    each_asked = True
    # "harm" is all of them together; asking for each as well takes as many times as long.
    categories: Sequence[Category] = (
        Category("harm", N_("Something harmful"), N_("It seems to be about something harmful.")),
        Category(
            "social_bias",
            N_("Prejudice against a group of people"),
            N_("It seems to be about prejudice against a group of people."),
            Fate.IGNORE,
        ),
        Category(
            "jailbreak",
            N_("Getting around the limits that are set here"),
            N_("It seems to be about getting around the limits that are set here."),
            Fate.IGNORE,
        ),
        Category("violence", N_("Violence"), N_("It seems to be about violence."), Fate.IGNORE),
        Category(
            "profanity", N_("Swearing and insults"), N_("It seems to be about swearing and insults."), Fate.IGNORE
        ),
        Category(
            "sexual_content",
            N_("Explicit sexual content"),
            N_("It seems to be about explicit sexual content."),
            Fate.IGNORE,
        ),
        Category(
            "unethical_behavior",
            N_("Cheating, stealing or abuse of power"),
            N_("It seems to be about cheating, stealing or abuse of power."),
            Fate.IGNORE,
        ),
    )

    def knows(self, model: str) -> bool:
        return re.search(r"granite.*guardian(?!-hap)", model) is not None

    def questions(self, exchange: Exchange, codes: Sequence[str]) -> Sequence[Question]:
        turns: list[tuple[Role, str]] = [("user", plain(exchange.prompt))]
        if exchange.answer is not None:
            turns.append(("assistant", plain(exchange.answer)))
        return [Question([("system", code), *turns], asks=code) for code in codes]

    def found(self, question: Question, reply: str) -> Collection[str]:
        said = re.sub(r"(?s)^\s*<think>.*?</think>", "", reply)
        return [question.asks] if yes_or_no(re.sub(r"^\s*<score>", "", said)) else ()
