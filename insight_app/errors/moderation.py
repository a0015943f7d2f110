"""A rule or a judge refuses, or cannot be asked, and then nothing is let through.

InputError           (requests.py)
├── TooManyRules     more rules than anybody could look through
└── PromptRefused    a rule does not let this message be sent
InsightError
├── AnswerRefused    a rule ended the answer
├── RulesUnreadable  the rules cannot be read, so nothing is let through
├── ScreeningFailed  a rule cannot be applied, so nothing is let through
├── JudgeLate        the model that judges messages and answers took too long
└── JudgeFailed      it could not be asked, or its reply is no verdict
"""

from __future__ import annotations

from insight_app.errors.base import InsightError, Said
from insight_app.errors.requests import InputError


class TooManyRules(InputError):
    code = "too_many_rules"
    cause = Said("There would be more than %(limit)s rules.")
    next_step = Said("Put several words or phrases into one rule, or delete some rules first.")


class PromptRefused(InputError):
    code = "prompt_refused"
    cause = Said("This message was not sent. %(reason)s")
    next_step = Said("Change it, then send it again.")


class AnswerRefused(InsightError):
    status = 422
    code = "answer_refused"
    cause = Said("The answer ends here. %(reason)s")
    next_step = Said("What was shown until then stays. Ask something else.")


class RulesUnreadable(InsightError):
    status = 503
    code = "rules_unreadable"
    cause = Said("The rules for messages and answers cannot be read, so nothing is let through.")
    next_step = Said("Try again; if it lasts, whoever runs this server finds the cause under Settings, Moderation.")


class ScreeningFailed(InsightError):
    status = 503
    code = "screening_failed"
    cause = Said("A rule for messages and answers cannot be applied, so nothing is let through.")
    next_step = Said("Try again; if it lasts, whoever runs this server finds the rule under Settings, Moderation.")


class JudgeLate(InsightError):
    status = 503
    code = "judge_late"
    cause = Said("The model that judges messages and answers took too long, so nothing is let through.")
    next_step = Said("Try again; if it lasts, whoever runs this server can give it more time, or choose a smaller one.")


class JudgeFailed(InsightError):
    status = 503
    code = "judge_failed"
    cause = Said("The model that judges messages and answers gave no verdict, so nothing is let through.")
    next_step = Said("Try again; if it lasts, whoever runs this server finds the model under Settings, Judge.")
