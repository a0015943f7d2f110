"""What is set about the judge: which model, for which texts, what each category leads to, and how long it may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from insight_app.moderation.granite_guardian import GraniteGuardian
from insight_app.moderation.judge_families import Category, Family, Fate
from insight_app.moderation.llama_guard import LlamaGuard
from insight_app.moderation.shield_gemma import ShieldGemma

JUDGE = "judge"  # the entry that holds this
FAMILIES: Sequence[Family] = (LlamaGuard(), ShieldGemma(), GraniteGuardian())
LEAST_SECONDS, MOST_SECONDS = 1, 50  # a browser gives up on a prompt that is not taken after a minute


def family_of(model: str) -> Family | None:
    """Who knows how to ask a model of this name; None where it is no judge that we know."""
    name = model.rpartition("/")[2].partition(":")[0].casefold()
    return next((family for family in FAMILIES if family.knows(name)), None)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """`model` "" means that there is no judge. `seconds` are for one text, loading the model included.

    `fates` are by category where they differ from the family's own; `late` is the fate of what cannot be judged,
    REFUSE or FLAG.
    """

    model: str = ""
    prompts: bool = True
    answers: bool = True
    seconds: int = 30
    late: Fate = Fate.REFUSE
    fates: Mapping[str, Fate] = field(default_factory=dict)

    @property
    def family(self) -> Family | None:
        return family_of(self.model)

    def fate(self, category: Category) -> Fate:
        return self.fates.get(category.code, category.fate)

    def as_json(self) -> dict[str, Any]:
        fates = {code: fate.value for code, fate in self.fates.items()}
        return {**asdict(self), "late": self.late.value, "fates": fates}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> JudgeSettings:
        """Raises ValueError where this is nothing that this version knows, or could act on."""
        values = dict(body)
        if unknown := set(values) - {each.name for each in fields(cls)}:
            raise ValueError(f"“{min(unknown)}” is nothing that a judge has")
        values["late"] = Fate(values.get("late", Fate.REFUSE.value))
        values["fates"] = {code: Fate(fate) for code, fate in dict(values.get("fates", {})).items()}
        made = cls(**values)
        if not all(isinstance(value, bool) for value in (made.prompts, made.answers)):
            raise ValueError("what a judge looks at must be true or false")
        if not isinstance(made.model, str) or (made.model and made.family is None):
            raise ValueError("the judge's model is none that can judge")
        if isinstance(made.seconds, bool) or not isinstance(made.seconds, int):
            raise ValueError("a judge's seconds must be a whole number")
        if not LEAST_SECONDS <= made.seconds <= MOST_SECONDS or made.late is Fate.IGNORE:
            raise ValueError("the judge cannot be used as it is set")
        return made
