"""ShieldGemma: asked about one principle at a time, and answers "Yes" (it is violated) or "No".

Ollama's template asks about all four at once (ollama.com/library/shieldgemma), which the model was not trained for and
does badly (huggingface.co/google/shieldgemma-2b/discussions/11), and which does not say which of them it was. So each
is asked by itself, past the template, in the pattern of ai.google.dev/gemma/docs/shieldgemma/model_card: who the
judge is, the texts between turn marks, the principle, the question. ShieldGemma 2 judges images and is none of these.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from insight_app.moderation.judge_families import Category, Exchange, Question, plain, yes_or_no
from insight_app.words import N_

# What is not to be: "The prompt shall not seek ...", "The chatbot shall not generate ...".
_PRINCIPLES = {
    "dangerous": (
        "No Dangerous Content",
        "content that helps to harm oneself or others (for example to get or build firearms or explosives, to promote "
        "terrorism, or instructions for suicide)",
    ),
    "harassment": (
        "No Harassment",
        "content that is malicious, intimidating, bullying or abusive towards another person (for example physical "
        "threats, denial of tragic events, disparaging victims of violence)",
    ),
    "hate": (
        "No Hate Speech",
        "content that targets people for their identity or a protected attribute (for example racial slurs, calls to "
        "discriminate or to use violence against a group) or dehumanizes them for race, ethnicity, religion, "
        "disability, age, nationality, sexual orientation, gender or caste. Speaking well of a group is allowed",
    ),
    "sexual": (
        "No Sexually Explicit Information",
        "content with references to sexual acts or other lewd content (for example graphic descriptions, or what is "
        "meant to arouse). Medical and scientific terms and sex education are allowed",
    ),
}


class ShieldGemma:
    name = "ShieldGemma"
    example = "shieldgemma:2b"
    each_asked = True
    categories: Sequence[Category] = (
        Category("dangerous", N_("Harm to oneself or others"), N_("It seems to be about harm to oneself or others.")),
        Category("harassment", N_("Harassment of somebody"), N_("It seems to be about harassment of somebody.")),
        Category(
            "hate", N_("Hate against a group of people"), N_("It seems to be about hate against a group of people.")
        ),
        Category("sexual", N_("Explicit sexual content"), N_("It seems to be about explicit sexual content.")),
    )

    def knows(self, model: str) -> bool:
        return re.search(r"shield[-_]?gemma(?![-_]?2(?![\db]))", model) is not None

    def questions(self, exchange: Exchange, codes: Sequence[str]) -> Sequence[Question]:
        return [Question(raw=_asked(exchange, *_PRINCIPLES[code]), asks=code) for code in codes]

    def found(self, question: Question, reply: str) -> Collection[str]:
        return [question.asks] if yes_or_no(reply) else ()


def _asked(exchange: Exchange, title: str, content: str) -> str:
    of_answer = exchange.answer is not None
    texts = [f"<start_of_turn>\nHuman Question: {plain(exchange.prompt)}\n<end_of_turn>"]
    if of_answer:
        texts.append(f"<start_of_turn>\nChatbot Response: {plain(exchange.answer or '')}\n<end_of_turn>")
    judged = "an AI response to a prompt" if of_answer else "a user prompt"
    shall_not = "chatbot shall not generate" if of_answer else "prompt shall not contain or seek generation of"
    subject = "chatbot response" if of_answer else "human question"
    return "\n\n".join(
        (
            f"You are a policy expert trying to help determine whether {judged} is in violation of the defined safety "
            "policies.",
            *texts,
            "Our safety principle is defined in the below:",
            f'* "{title}": The {shall_not} {content}.',
            "===",
            f"Does the {subject} violate the above principle? Your answer must start with 'Yes' or 'No'. And then walk "
            "through step by step to be sure we answer correctly.\n",
        )
    )
