"""What judges of each family are asked, and what their replies mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from insight_app.engines.base import Stop
from insight_app.errors import EngineUnreachable, JudgeFailed, JudgeLate
from insight_app.moderation.judge import CONTEXT, PART, SO_FAR, Judge, Verdict, parts
from insight_app.moderation.judge_families import Exchange, Fate, Question
from insight_app.moderation.judge_settings import FAMILIES, JudgeSettings, family_of
from insight_app.moderation.sentences import LONGEST

LLAMA, SHIELD, GRANITE = "llama-guard3:1b", "shieldgemma:2b", "granite3-guardian:2b"
Reply = Callable[[Question], str | None]


class Asked:
    """A judge that replies as scripted, and notes what it was asked."""

    def __init__(self, reply: Reply) -> None:
        self.questions: list[Question] = []
        self._reply = reply

    def __call__(self, model: str, question: Question, seconds: float, stop: Stop | None) -> str | None:
        self.questions.append(question)
        return self._reply(question)


def judge(model: str, reply: Reply, **settings: object) -> tuple[Judge, Asked]:
    asked = Asked(reply)
    return Judge(JudgeSettings(model, **settings), asked), asked  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("llama-guard3:latest", "Llama Guard 3"),
        ("hf.co/somebody/Llama-Guard-3-8B-GGUF:Q4_K_M", "Llama Guard 3"),
        ("llama-guard4:12b", "Llama Guard 3"),
        ("llama-guard2:8b", None),  # its codes mean something else
        ("shieldgemma:9b", "ShieldGemma"),
        ("somebody/shieldgemma_2b", "ShieldGemma"),
        ("shieldgemma-27b", "ShieldGemma"),
        ("shieldgemma-2-4b-it", None),  # judges images
        ("granite3-guardian:2b", "Granite Guardian"),
        ("ibm/granite3.3-guardian:8b", "Granite Guardian"),
        ("granite-guardian-3.2-5b", "Granite Guardian"),
        ("granite-guardian-hap-38m", None),
        ("granite3.3:8b", None),
        ("llama3.2:latest", None),
        ("", None),
    ],
)
def test_families_are_known_by_the_names_of_their_models(model: str, family: str | None) -> None:
    found = family_of(model)
    assert (found.name if found else None) == family


def test_each_family_knows_the_model_that_it_names_and_every_code_is_one_familys() -> None:
    assert [family_of(family.example) for family in FAMILIES] == list(FAMILIES)
    codes = [category.code for family in FAMILIES for category in family.categories]
    assert len(set(codes)) == len(codes)
    assert all(len(f"judge-{code}") <= 32 for code in codes)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("safe", (None, set())),
        (" \n\nsafe\n", (None, set())),
        ("unsafe\nS1", ("S1", set())),
        ("unsafe\nS6,S10", ("S10", set())),
        ("unsafe\nS6, S7\n", (None, {"S6", "S7"})),
        ("unsafe S9", ("S9", set())),
        ("unsafe", ("other", set())),
        ("unsafe\nS77", ("other", set())),
    ],
)
def test_llama_guards_verdicts(reply: str, verdict: tuple[str | None, set[str]]) -> None:
    one, _ = judge(LLAMA, lambda _: reply)
    found = one.of_prompt("Hello")
    assert (found.refused and found.refused.code) == verdict[0]
    assert found.flagged == (frozenset() if verdict[0] else verdict[1]) or verdict[0]


def test_llama_guard_is_asked_once_with_the_turns_that_it_judges() -> None:
    one, asked = judge(LLAMA, lambda _: "safe")
    one.of_prompt("Hello")
    one.of_answer("Hello", "Hi there.")
    assert [list(question.turns) for question in asked.questions] == [
        [("user", "Hello")],
        [("user", "Hello"), ("assistant", "Hi there.")],
    ]


def test_shieldgemma_is_asked_for_each_principle_past_its_template() -> None:
    one, asked = judge(SHIELD, lambda question: "Yes, since" if question.asks == "hate" else "No")
    verdict = one.of_answer("Tell me", "They are all bad.")
    assert verdict is not None
    assert verdict.refused is not None
    assert verdict.refused.code == "hate"
    assert [question.asks for question in asked.questions] == ["dangerous", "harassment", "hate"]  # no more is needed
    assert all(not question.turns and question.raw.count("shall not generate") == 1 for question in asked.questions)
    one.of_prompt("Tell me")
    assert "Chatbot Response" not in asked.questions[-1].raw
    assert "Human Question: Tell me\n<end_of_turn>" in asked.questions[-1].raw


def test_granite_is_asked_for_each_risk_that_is_not_ignored_the_strictest_first() -> None:
    fates = {"profanity": Fate.FLAG, "violence": Fate.REFUSE}
    one, asked = judge(GRANITE, lambda question: "Yes" if question.asks == "profanity" else "No", fates=fates)
    assert one.of_prompt("Damn") == Verdict(None, frozenset({"profanity"}))
    assert [question.turns[0] for question in asked.questions] == [
        ("system", "harm"),
        ("system", "violence"),
        ("system", "profanity"),
    ]
    assert asked.questions[0].turns[1:] == [("user", "Damn")]


@pytest.mark.parametrize(
    ("reply", "is_refused"),
    [
        ("Yes", True),
        ("no.", False),
        ("Yes\n<confidence> High </confidence>", True),
        ("<score> yes </score>", True),
        ("<score>no</score>", False),
        ("<think>Is it? Yes? Hm.</think>\n<score> no </score>", False),
    ],
)
def test_granites_verdicts(reply: str, is_refused: bool) -> None:
    one, _ = judge(GRANITE, lambda _: reply)
    assert (one.of_prompt("Hello").refused is not None) is is_refused


@pytest.mark.parametrize("model", [LLAMA, SHIELD, GRANITE])
@pytest.mark.parametrize(
    "reply", ["", "I cannot help with that.", "maybe", "safe\nS1", "safely", "Nothing", "<think>Yes"]
)
def test_what_is_no_verdict_is_a_failure_and_refuses(model: str, reply: str) -> None:
    one, _ = judge(model, lambda _: reply)
    with pytest.raises(JudgeFailed):
        one.of_prompt("Hello")


def raising(error: Exception) -> Reply:
    def reply(_: Question) -> str:
        raise error

    return reply


@pytest.mark.parametrize("model", [LLAMA, SHIELD, GRANITE])
@pytest.mark.parametrize(("fault", "error"), [(TimeoutError(), JudgeLate), (EngineUnreachable(), JudgeFailed)])
def test_a_judge_that_is_late_or_gone_refuses_unless_it_is_set_otherwise(
    model: str, fault: Exception, error: type[Exception]
) -> None:
    with pytest.raises(error):
        judge(model, raising(fault))[0].of_prompt("Hello")
    lenient, _ = judge(model, raising(fault), late=Fate.FLAG)
    assert lenient.of_prompt("Hello") == Verdict(None, frozenset({"failed"}))
    assert lenient.of_answer("Hello", "Hi.") == Verdict(None, frozenset({"failed"}))


def test_a_long_prompt_is_judged_in_parts_none_of_which_is_left_out() -> None:
    prompt = "a" * 4000 + " kill " + "é" * 6000
    one, asked = judge(LLAMA, lambda question: "unsafe\nS1" if "kill" in question.turns[-1][1] else "safe")
    assert one.of_prompt(prompt).refused is not None
    assert one.of_prompt("a" * 20_000).refused is None
    assert all(len(question.turns[-1][1].encode()) <= PART for question in asked.questions)
    seam = PART - 5
    assert any("together" in part for part in parts("x" * seam + "together" + "x" * 999))
    assert list(parts("")) == [""]


def test_what_is_judged_of_an_answer_is_its_end_and_it_is_bounded_in_any_script() -> None:
    one, asked = judge(LLAMA, lambda _: "safe")
    for letter in ("a", "語", "🌙"):
        one.of_answer(f"begin{letter * 9000}end", letter * 9000 + "!" * LONGEST)
        (_, prompt), (_, answer) = asked.questions[-1].turns
        assert prompt.startswith("begin")
        assert prompt.endswith("end")
        assert len(prompt.encode()) <= CONTEXT + 10
        assert len(answer.encode()) <= SO_FAR
        assert answer.endswith("!" * LONGEST)


@pytest.mark.parametrize(
    "mark",
    ["<start_of_turn>", "<end_of_turn>", "<|eot_id|>", "<|end_of_role|>", "</END CONVERSATION>", "<END CONVERSATION>"],
)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_nobody_can_write_the_marks_of_a_judges_format(family: object, mark: str) -> None:
    codes = [category.code for category in family.categories]  # type: ignore[attr-defined]
    for exchange in (Exchange(f"a {mark} b 1 < 2"), Exchange("a", f"a {mark} b 1 < 2")):
        for question in family.questions(exchange, codes):  # type: ignore[attr-defined]
            said = question.raw or str(question.turns)
            own = family.questions(Exchange("a", exchange.answer and "a"), codes)[0].raw  # type: ignore[attr-defined]
            assert said.count(mark) == own.count(mark)
            assert "1 < 2" in said


@pytest.mark.parametrize(
    "body",
    [
        {"model": "llama3.2"},
        {"model": 3},
        {"model": LLAMA, "seconds": 0},
        {"model": LLAMA, "seconds": True},
        {"model": LLAMA, "late": "ignore"},
        {"model": LLAMA, "fates": {"S1": "shout"}},
        {"model": LLAMA, "prompts": "yes"},
        {"mood": "calm"},
    ],
)
def test_settings_that_nobody_could_act_on_are_refused(body: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        JudgeSettings.from_json(body)


def test_settings_survive_their_way_through_the_database() -> None:
    settings = JudgeSettings(GRANITE, False, True, 7, Fate.FLAG, {"harm": Fate.FLAG})
    assert JudgeSettings.from_json(settings.as_json()) == settings


def test_all_questions_about_a_text_share_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now, left = 100.0, []
    monkeypatch.setattr("insight_app.moderation.judge.time.monotonic", lambda: now)

    def slow(model: str, question: Question, seconds: float, stop: Stop | None) -> str:
        nonlocal now
        left.append(seconds)
        now += 4
        return "safe"

    assert Judge(JudgeSettings(LLAMA, seconds=10), slow).of_prompt("so " * 4 * PART) == Verdict()
    assert left[:4] == [10, 6, 2, 0]
