"""Every error that is raised on purpose, each with a cause and a next step in plain words.

InsightError
├── ConfigError          the environment or .env holds a value that cannot be used; the start stops
│   └── NotYet           what it names is away just now; the start is tried again
├── InputError           what a person or a program sent cannot be taken as it is
│   ├── EmptyPrompt
│   ├── PromptTooLarge   longer than MAX_PROMPT_CHARS, before any engine saw it
│   ├── TooLarge         more than a request may hold
│   ├── ImportTooLarge   more than MAX_IMPORT_MB
│   ├── FormExpired      a form without the token of this session
│   ├── WrongMethod      a POST where there is only GET, or the other way round
│   ├── UnknownHost      the server was called by a name that is not its own
│   ├── BodyCompressed   a program sent its JSON compressed
│   ├── NoSuchDays       a program asks what was used in days that cannot be
│   ├── NotAChat         POST /api/chat with something else than a chat
│   ├── NotJson          a program sent something else than a JSON object
│   ├── NotACompletion   POST /v1/chat/completions with a field that is not as it must be
│   ├── TooManyRules     more rules than anybody could look through
│   ├── EmailTaken       there is an account with this address
│   │   └── OtherPerson  it is of somebody whom the provider calls otherwise
│   ├── LastAdmin        nobody would be left who can let others in
│   ├── TooManyKeys      more keys than anybody could keep apart
│   ├── TooManyKept      more presets or saved prompts than one could find again
│   ├── NotAModelName    no model of Ollama's can be called so
│   ├── PromptRefused    a rule does not let this message be sent
│   ├── FileRefused      a file cannot be attached to a message
│   │   ├── TooManyFiles
│   │   ├── FileTooLarge    more than MAX_ATTACHMENT_MB
│   │   ├── FilesTooLarge   all files of a message together
│   │   ├── FileEmpty
│   │   ├── FileTooLong     more text than MAX_PROMPT_CHARS
│   │   ├── FileTooMuch     it takes more memory or time than anybody may take
│   │   ├── FileUnreadable  neither text nor a picture nor a PDF
│   │   ├── ImageBroken
│   │   ├── ImageTooLarge   in pixels
│   │   ├── PdfBroken
│   │   ├── PdfLocked       it opens with a password only
│   │   ├── PdfWithoutText  scanned pages
│   │   └── FileGone        it was attached, but not sent for an hour
│   ├── ModelBlind       an image for a model that sees none
│   └── ForeignPage      a page of another site calls the door for programs
├── SignInNeeded         nobody is signed in, or no longer
│   ├── SignedOut        somebody was, while a page of theirs showed an answer growing
│   ├── NobodyVouches    no proxy says who it is
│   └── KeyRefused       a program's key is missing, wrong, revoked or expired
├── AdminsOnly           it is everybody's, so that only an admin may see or change it
│   └── KeyTooNarrow     the key is not for this
├── MetricsTokenNeeded   /metrics was asked without METRICS_TOKEN
├── LinkOver             an invitation, or a link to a new password, that holds no longer
├── SignUpClosed         nobody new is let in
├── AccountOff           an admin switched the account off
├── EmailUnverified      the provider does not say that an address is whose they say it is
├── ProviderFailed       the OpenID provider did not say who somebody is
├── TooManyRequests      more than SEND_RATE_LIMIT, KEY_RATE_LIMIT or ADDRESS_RATE_LIMIT
│   └── TooManyTries     more than SIGN_IN_RATE_LIMIT
├── TooManyWaiting       MAX_WAITING_ANSWERS are in line for the model already
│   └── TooManyOfYours   and half of them are of the one who asks
├── TakesNothingNew      no answer can begin now, whoever asks
│   ├── RedisAway        Redis, through which processes know what each writes, does not answer
│   └── ServerEnding     the process was asked to end, and lets what it writes end first
├── QuotaReached         as many answers or tokens as a day or a month allows
├── ModelNotAllowed      people of this role may not ask this model
│   └── NoModelAllowed   none of the models that they may ask is there
├── NotThere             no such conversation, answer or page, or not yours
│   ├── AddressUnknown   a program asks at an address that there is not
│   └── TemporaryOver    of a temporary chat that has ended
├── ModelsNotManaged     the engine's models are somebody else's to fetch and remove
├── ModelInUse           a model that is to go writes an answer just now
├── NoRoomForModel       it is larger than what is free on the disk
├── PullFailed           Ollama did not fetch a model, or not all of it
│   ├── PullUnknown      the library has none of this name
│   ├── PullNoRoom       the disk was full before the end
│   ├── PullOffline      Ollama cannot reach the library
│   ├── PullForbidden    the library does not give it to everybody
│   ├── PullOutdated     the model needs a newer Ollama
│   ├── PullDamaged      what came is not what the library has
│   └── PullCut          Ollama broke off, or said nothing any more
├── TemporaryNotOffered  nowhere to hold a temporary chat
├── ChangedMeanwhile     somebody else changed what is to be changed
├── AnswerRefused        a rule ended the answer
├── RulesUnreadable      the rules cannot be read, so nothing is let through
├── ScreeningFailed      a rule cannot be applied, so nothing is let through
├── JudgeLate            the model that judges messages and answers took too long
├── JudgeFailed          it could not be asked, or its reply is no verdict
├── LengthReached        the answer is as long as MAX_TOKEN_LIMIT lets it be
├── ContextEnded         the answer and what was read before it fill the model's context
├── DatabaseError        what is to be kept cannot be kept now
│   ├── DatabaseAway     its server does not answer
│   ├── DatabaseBusy     another program holds the database
│   └── DatabaseFull     the disk has no room
├── BackupRefused        a backup cannot be made, or not be restored, as it was asked for
├── StillAnswering       this conversation already has an answer that is being written
└── EngineError          the engine did not write the answer, or not all of it
    ├── EngineUnreachable
    │   └── ModelAway    and the other ones have not the model that a program asks for
    ├── EngineForbids    it answers, but refuses this host or this request
    ├── ModelMissing
    ├── ModelElsewhere   the model would run on another machine
    │   └── RanElsewhere the answer comes from one, which nobody could know before
    ├── NoModel          it answers, but has no model at all
    ├── ModelUnsuited    the model cannot chat
    ├── RequestUnsuited  the engine does not take the tools or the format that a program sends
    ├── OutOfMemory
    ├── EngineBusy
    ├── ContextFull      the message alone is longer than the model can read
    ├── EngineSilent     not a word for REQUEST_TIMEOUT_SECONDS
    ├── AnswerCut        the stream ended before its end mark
    ├── ServerStopped    the server ended while the answer was being written
    └── EngineBroke      anything else that went wrong on the engine's side

The texts are templates: `explain(code, **facts)` fills them, so that a page shown tomorrow says the same as the
stream that failed today, and so that nothing but the code needs to be stored.
"""

from __future__ import annotations

from typing import ClassVar

# The fact by which engine errors know what to say of the engine, by ENGINE; where nobody says which one, Ollama.
ENGINE_WORDS: dict[str, dict[str, str]] = {"ollama": {"engine": "ollama"}, "openai": {"engine": "openai"}}


def N_(text: str) -> str:  # noqa: N802  # so gettext's tools call it
    """Marks a text that will be translated later; as in words.py, which is too heavy to be loaded here."""
    return text


# Facts that are numbers, which every language writes in its own way.
NUMBERS = frozenset({"length", "limit", "seconds"})


class Said:
    """A text of a class of errors: of an error the text with its facts in it, in the language of whoever reads it.

    Of the class it is the template. `openai` is what is said where the engine is not Ollama.
    """

    def __init__(self, text: str, openai: str = "") -> None:
        self._text = text
        self._of_openai = openai or text

    def __set_name__(self, owner: type[InsightError], name: str) -> None:
        self._name = name

    def __get__(self, error: InsightError | None, kind: type[InsightError]) -> str:
        if error is None:
            return self._text
        if given := error.given.get(self._name):
            return given
        # Imported here: settings are read, and the built-in model runs, without pages.
        from insight_app.words import _

        text = self._of_openai if error.facts.get("engine") == "openai" else self._text
        return _(text) % _Known(error.facts)


class InsightError(Exception):
    """An error with a `cause` and a `next_step`, each one plain sentence; `str()` is both, in the reader's language.

    Keyword arguments fill the placeholders of the class's texts; where the class has none, both are given. `status` is
    the HTTP status where the error meets a request that has no byte of its response sent yet; `promise` is what happens
    by itself where an answer waits for the cause to end.
    """

    cause = Said("Something went wrong.")
    next_step = Said("Please try again.")
    promise = Said("The answer begins by itself as soon as it can")
    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(self, cause: str = "", next_step: str = "", /, **facts: object) -> None:
        super().__init__()
        self.facts = {name: str(value) for name, value in facts.items()}
        self.given = {"cause": cause, "next_step": next_step}

    def __str__(self) -> str:
        return f"{self.cause} {self.next_step}"


class _Known(dict[str, str]):
    """Facts for a text; one that is not known reads as "it", because an error must never fail to be shown."""

    def __getitem__(self, name: str) -> str:
        from insight_app.words import _, said_number

        if name not in self:
            return _("it")
        value = self.get(name, "")
        if name == "reason":  # of a rule or a judge; what somebody wrote themselves is in no catalog
            return _(value)
        return said_number(int(value)) if name in NUMBERS and value.isdecimal() else value


class ConfigError(InsightError):
    code = "config"


class NotYet(ConfigError):
    """It may be otherwise in a moment, without anybody's doing: a start is then worth another try."""

    code = "not_yet"


class InputError(InsightError):
    status = 422
    code = "input"
    cause = Said("This request could not be understood.")
    next_step = Said("Check what was sent and try again.")


class EmptyPrompt(InputError):
    code = "empty_prompt"
    cause = Said("The message is empty.")
    next_step = Said("Write something first.")


class PromptTooLarge(InputError):
    status = 413
    code = "prompt_too_large"
    cause = Said("The message has %(length)s characters; at most %(limit)s are possible.")
    next_step = Said("Shorten it, or send it in parts.")


class TooLarge(InputError):
    status = 413
    code = "too_large"
    cause = Said("What was sent is larger than %(limit)s.")
    next_step = Said(
        "Shorten the text, or attach smaller files, and send it again; a browser still has it, one step back."
    )


class ImportTooLarge(InputError):
    status = 413
    code = "import_too_large"
    cause = Said("This file is larger than %(limit)s.")
    next_step = Said("Choose a smaller one. Packed as a ZIP file it may be small enough.")


class FormExpired(InputError):
    status = 400
    code = "form_expired"
    cause = Said("This page was open for too long, or your browser keeps no cookies.")
    next_step = Said("Your text is kept: send it again.")


class WrongMethod(InputError):
    status = 405
    code = "wrong_method"
    cause = Said("This address does not take such a request.")
    next_step = Said("Use the pages' own links and buttons; what programs can send is described at /api/openapi.json.")


class UnknownHost(InputError):
    status = 400
    code = "unknown_host"
    cause = Said("This server does not know the name it was called by.")
    next_step = Said("Add the name to ALLOWED_HOSTS if it is yours.")


class BodyCompressed(InputError):
    status = 415
    code = "body_compressed"
    cause = Said("What was sent is compressed, and nothing here unpacks it.")
    next_step = Said("Send it as it is, without the header Content-Encoding.")


class NoSuchDays(InputError):
    code = "no_such_days"
    cause = Said("The number of days must be a whole number from 1 to %(limit)s.")
    next_step = Said("Send another one, or none: then it is the last 30 days.")


class NotAChat(InputError):
    status = 400
    code = "not_a_chat"
    cause = Said("The request is not a JSON object with a “message” that is text.")
    next_step = Said("Send an object with the field “message” and the header Content-Type: application/json.")


class NotJson(InputError):
    status = 400
    code = "not_json"
    cause = Said("The request is not a JSON object.")
    next_step = Said("Send one, with the header Content-Type: application/json.")


class NotACompletion(InputError):
    status = 400
    code = "invalid_request"
    cause = Said("The field “%(param)s” %(problem)s.")
    next_step = Said("What can be sent is described at /api/openapi.json.")


class TooManyRules(InputError):
    code = "too_many_rules"
    cause = Said("There would be more than %(limit)s rules.")
    next_step = Said("Put several words or phrases into one rule, or delete some rules first.")


class EmailTaken(InputError):
    code = "email_taken"
    cause = Said("There is an account with this address already.")
    next_step = Said("Sign in with it, or take another address.")


class OtherPerson(EmailTaken):
    status = 409
    code = "other_person"
    cause = Said("The account with your e-mail address is of somebody whom the sign-in provider knows by another name.")
    next_step = Said("Ask an admin of this server.")


class LastAdmin(InputError):
    status = 409
    code = "last_admin"
    cause = Said("This is the last admin: nobody would be left who can let others in.")
    next_step = Said("Make somebody else an admin first.")


class TooManyKeys(InputError):
    status = 409
    code = "too_many_keys"
    cause = Said("There are %(limit)s keys already.")
    next_step = Said("Revoke some that are no longer used.")


class TooManyKept(InputError):
    status = 409
    code = "too_many_kept"
    cause = Said("You keep %(limit)s of these already.")
    next_step = Said("Delete some that you no longer need, then save again.")


class NotAModelName(InputError):
    code = "not_a_model_name"
    cause = Said("No model can have this name.")
    next_step = Said("Write it as the library does, such as llama3.2, qwen2.5:0.5b or hf.co/somebody/a-model-GGUF.")


class PromptRefused(InputError):
    code = "prompt_refused"
    cause = Said("This message was not sent. %(reason)s")
    next_step = Said("Change it, then send it again.")


class FileRefused(InputError):
    code = "file_refused"
    cause = Said("The file “%(name)s” cannot be attached.")
    next_step = Said("Remove it, then send again.")


class TooManyFiles(FileRefused):
    code = "too_many_files"
    cause = Said("At most %(limit)s files can go with one message.")
    next_step = Said("Remove some, or send them with the next message.")


class FileTooLarge(FileRefused):
    status = 413
    code = "file_too_large"
    cause = Said("The file “%(name)s” is larger than %(limit)s.")
    next_step = Said("Attach a smaller one, or only the part that matters.")


class FilesTooLarge(FileRefused):
    status = 413
    code = "files_too_large"
    cause = Said("All files of a message together may have %(limit)s.")
    next_step = Said("Remove some, or send them with the next message.")


class FileEmpty(FileRefused):
    code = "file_empty"
    cause = Said("The file “%(name)s” is empty.")
    next_step = Said("Check that it was saved, then attach it again.")


class FileTooLong(FileRefused):
    status = 413
    code = "file_too_long"
    cause = Said("The file “%(name)s” has more text than a message may have (%(limit)s characters).")
    next_step = Said("Attach only the part that matters.")


class FileTooMuch(FileRefused):
    code = "file_too_much"
    cause = Said("The file “%(name)s” takes too long to read, or too much memory.")
    next_step = Said("Attach a simpler one, or copy its text into the message.")


class FileUnreadable(FileRefused):
    status = 415
    code = "file_unreadable"
    cause = Said("The file “%(name)s” is neither text nor a PDF nor a picture (PNG, JPEG, WebP, GIF).")
    next_step = Said("Save it as one of these, then attach it again.")


class ImageBroken(FileRefused):
    code = "image_broken"
    cause = Said("The picture “%(name)s” is damaged or cut off.")
    next_step = Said("Save or download it again, then attach it again.")


class ImageTooLarge(FileRefused):
    code = "image_too_large"
    cause = Said("The picture “%(name)s” has more than 50 million pixels.")
    next_step = Said("Make it smaller, then attach it again.")


class PdfBroken(FileRefused):
    code = "pdf_broken"
    cause = Said("The PDF “%(name)s” is damaged or cut off.")
    next_step = Said("Save or download it again, then attach it again.")


class PdfLocked(FileRefused):
    code = "pdf_locked"
    cause = Said("The PDF “%(name)s” opens with a password only.")
    next_step = Said("Save it without one, then attach it again.")


class PdfWithoutText(FileRefused):
    code = "pdf_without_text"
    cause = Said("The PDF “%(name)s” holds pictures of pages and no text.")
    next_step = Said("Attach a page of it as a picture, to a model that sees pictures, or one with text.")


class FileGone(FileRefused):
    status = 410
    code = "file_gone"
    cause = Said("A file is not there any more: what is not sent is kept for an hour.")
    next_step = Said("Attach it again, then send.")


class ModelBlind(InputError):
    code = "model_blind"
    cause = Said("The model “%(model)s” sees no pictures.")
    next_step = Said("Remove the picture, or choose a model that sees: %(others)s.")


class ForeignPage(InputError):
    status = 403
    code = "foreign_page"
    cause = Said("A page of another site may not use this address.")
    next_step = Said("Call it from a program, or from a page of this server.")


class SignInNeeded(InsightError):
    status = 401
    code = "sign_in_needed"
    cause = Said("You are not signed in, or no longer.")
    next_step = Said("Sign in, then send again: your text is kept.")


class SignedOut(SignInNeeded):
    code = "signed_out"
    cause = Said("You are not signed in here any more.")
    next_step = Said("An answer that was being written goes on: sign in, then load this page again.")


class NobodyVouches(SignInNeeded):
    code = "nobody_vouches"
    cause = Said("The proxy in front of this server did not say who you are.")
    next_step = Said("Open it by the proxy’s address; who runs it looks into TRUSTED_PROXIES and PROXY_USER_HEADER.")


class KeyRefused(SignInNeeded):
    code = "key_refused"
    cause = Said("This needs a key, and none came that holds: it is missing, wrong, revoked or expired.")
    next_step = Said("Make one on the account page and send it in the header “Authorization: Bearer …”.")


class AdminsOnly(InsightError):
    status = 403
    code = "admins_only"
    cause = Said("Only admins of this server may see or change this.")
    next_step = Said("Ask one of them.")


class KeyTooNarrow(AdminsOnly):
    code = "key_too_narrow"
    cause = Said("This key is not for that: it lacks “%(scope)s”.")
    next_step = Said("Make another one on the account page, with what is needed.")


class MetricsTokenNeeded(InsightError):
    status = 401
    code = "metrics_token_needed"
    cause = Said("The figures are for who has the token of this server.")
    next_step = Said("Have Prometheus send what METRICS_TOKEN is, in the header “Authorization: Bearer …”.")


class LinkOver(InsightError):
    status = 410
    code = "link_over"
    cause = Said("This link holds no longer: it was used, withdrawn, or is too old.")
    next_step = Said("Ask an admin of this server for another one.")


class SignUpClosed(InsightError):
    status = 403
    code = "sign_up_closed"
    cause = Said("This server lets nobody new in by themselves.")
    next_step = Said("Ask an admin of it for an invitation.")


class AccountOff(InsightError):
    status = 403
    code = "account_off"
    cause = Said("Your account on this server is switched off.")
    next_step = Said("Ask an admin of it.")


class EmailUnverified(InsightError):
    status = 403
    code = "email_unverified"
    cause = Said("The sign-in provider does not say that your e-mail address is verified, so it could be anybody’s.")
    next_step = Said("Verify it there, then sign in again.")


class ProviderFailed(InsightError):
    status = 502
    code = "provider_failed"
    cause = Said("The sign-in provider did not say who you are.")
    next_step = Said("Try again; if it lasts, whoever runs this server can look into OIDC_ISSUER and its client.")


class TooManyRequests(InsightError):
    status = 429
    code = "too_many_requests"
    cause = Said("You sent a lot in a short time.")
    next_step = Said("Wait %(wait)s, then send again.")


class TooManyTries(TooManyRequests):
    code = "too_many_tries"
    cause = Said("Signing in was tried too often.")
    next_step = Said("Wait %(wait)s, then try again.")


class QuotaReached(InsightError):
    status = 429
    code = "quota_reached"
    cause = Said("You have used all that is allowed.")
    next_step = Said("It begins anew later; an admin of this server can allow more.")


class ModelNotAllowed(InsightError):
    status = 403
    code = "model_not_allowed"
    cause = Said("You may not use the model “%(model)s”.")
    next_step = Said("Choose another one, or ask an admin of this server for it.")


class NoModelAllowed(ModelNotAllowed):
    status = 503
    code = "no_model_allowed"
    cause = Said("None of the models that you may use is there now.")
    next_step = Said("Try again later, or ask an admin of this server for another one.")


class TooManyWaiting(InsightError):
    """`retry_after` among its facts is in how many seconds there may be room, where that is known."""

    status = 503
    code = "too_many_waiting"
    cause = Said("Too many answers are waiting for this model already.")
    next_step = Said("Your text is kept: send it again in a while, or choose another model.")


class TooManyOfYours(TooManyWaiting):
    status = 429
    code = "too_many_of_yours"
    cause = Said("Too many answers of yours are waiting for this model already.")
    next_step = Said("Your text is kept: send it again when some of them are written, or stop some.")


class TakesNothingNew(InsightError):
    """What can be read can be read, and what is being written is written on."""

    status = 503
    code = "takes_nothing_new"
    seconds: ClassVar[int] = 5  # after which it makes sense to try again

    def __init__(self, **facts: object) -> None:
        super().__init__(retry_after=self.seconds, **facts)


class RedisAway(TakesNothingNew):
    code = "redis_away"
    cause = Said("Redis does not answer, and without it no new answer can begin.")
    next_step = Said(
        "Your text is kept: send it again in a moment; if it lasts, whoever runs this server looks after Redis."
    )


class ServerEnding(TakesNothingNew):
    code = "server_ending"
    seconds = 2
    cause = Said("This server is just being stopped or started anew.")
    next_step = Said("Send this again in a moment.")


class NotThere(InsightError):
    status = 404
    code = "not_there"
    cause = Said("There is nothing at this address.")
    next_step = Said("It may have been deleted. Choose another conversation or start a new one.")


class AddressUnknown(NotThere):
    code = "address_unknown"
    cause = Said("There is nothing for programs at this address.")
    next_step = Said("What there is, is described at /api/openapi.json.")


class TemporaryOver(NotThere):
    code = "temporary_over"
    cause = Said("This temporary chat is over, and nothing of it was kept.")
    next_step = Said("Start another one: it lasts until it is ended, for a day, or until the server stops.")


class TemporaryNotOffered(InsightError):
    status = 503
    code = "temporary_not_offered"
    cause = Said("Temporary chats are not possible here.")
    next_step = Said("Several processes would have to share them, and this machine has no folder in memory (/dev/shm).")


class ModelsNotManaged(InsightError):
    status = 409
    code = "models_not_managed"
    cause = Said("The models of this server are not managed from here.")
    next_step = Said("Start the model server with those that you want.")


class ModelInUse(InsightError):
    status = 409
    code = "model_in_use"
    cause = Said("This model is writing an answer just now.")
    next_step = Said("Wait for its end or stop it, then try again.")


class NoRoomForModel(InsightError):
    status = 507
    code = "no_room_for_model"
    cause = Said("This model takes %(size)s, and %(free)s are free on the disk of the models.")
    next_step = Said("Make room there, remove a model, or choose a smaller one.")


class PullFailed(InsightError):
    """What a pull ended with. Ollama keeps what has come, so it can be gone on with."""

    status = 502
    code = "pull_failed"
    cause = Said("Ollama could not fetch this model.")
    next_step = Said("Go on to try again; if it lasts, look at Ollama's own log.")


class PullUnknown(PullFailed):
    status = 404
    code = "pull_unknown"
    cause = Said("The library has no model of this name.")
    next_step = Said("Look it up at ollama.com/library; what stands after the colon may be wrong too.")


class PullNoRoom(PullFailed):
    status = 507
    code = "pull_no_room"
    cause = Said("There is not enough room for this model on the disk of the models.")
    next_step = Said("Make room there or remove a model, then go on; or choose a smaller one.")


class PullOffline(PullFailed):
    status = 503
    code = "pull_offline"
    cause = Said("Ollama cannot reach the library of models.")
    next_step = Said("Check the connection of its machine to the internet, and its proxy, then go on.")


class PullForbidden(PullFailed):
    status = 403
    code = "pull_forbidden"
    cause = Said("The library does not give this model to everybody.")
    next_step = Said("Sign in there with Ollama and accept its terms, or choose another model.")


class PullOutdated(PullFailed):
    code = "pull_outdated"
    cause = Said("This model needs a newer Ollama, or another machine.")
    next_step = Said("Update Ollama, then go on; or choose another model.")


class PullDamaged(PullFailed):
    code = "pull_damaged"
    cause = Said("What came is not what the library has.")
    next_step = Said("Go on: Ollama fetches the damaged part anew.")


class PullCut(PullFailed):
    code = "pull_cut"
    cause = Said("Ollama broke off before all of it was here.")
    next_step = Said("Go on as soon as Ollama answers: it begins where it broke off.")


class StillAnswering(InsightError):
    status = 409
    code = "still_answering"
    cause = Said("The last answer is still being written.")
    next_step = Said("Wait for its end or stop it, then send again.")


class DatabaseError(InsightError):
    status = 503
    code = "database"
    promise = Said("The answer is kept as soon as that is possible")
    cause = Said("The database cannot be used now.")
    next_step = Said("Check that its disk is there, whole, and may be written to, then try again.")


class DatabaseAway(DatabaseError):
    code = "database_away"
    cause = Said("The database's server does not answer.")
    next_step = Said("Try again in a moment: all goes on by itself when it is back.")


class DatabaseBusy(DatabaseError):
    code = "database_busy"
    cause = Said("Another program holds the database.")
    next_step = Said("Try again in a moment; if it lasts, end that program (a backup, a database browser).")


class DatabaseFull(DatabaseError):
    status = 507
    code = "database_full"
    cause = Said("The disk is full, so nothing can be kept.")
    next_step = Said("Make room on it and try again.")


class BackupRefused(InsightError):
    code = "backup_refused"


class ChangedMeanwhile(InsightError):
    status = 409
    code = "changed_meanwhile"
    cause = Said("Somebody else changed this at the same time.")
    next_step = Said("Look at the page again, then decide anew.")


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


class LengthReached(InsightError):
    code = "length_reached"
    cause = Said("The answer has reached the longest length that is set (MAX_TOKEN_LIMIT).")
    next_step = Said("Continue it, or set a higher limit.")


class ContextEnded(InsightError):
    code = "context_ended"
    cause = Said("The conversation and this answer fill all that the model can read at once (%(context)s).")
    next_step = Said(
        "Continue it: the oldest messages are left out then. Or set a larger NUM_CTX.",
        openai=N_("Continue it: the oldest messages are left out then. Or start the server with a larger context."),
    )


class EngineError(InsightError):
    """The engine did not write the answer; `passing` says whether the same request may succeed a little later."""

    status = 502
    code = "engine"
    passing: ClassVar[bool] = False


class EngineUnreachable(EngineError):
    status = 503
    code = "engine_unreachable"
    promise = Said(
        "Start Ollama, and the answer begins by itself",
        openai=N_("Start the model server, and the answer begins by itself"),
    )
    passing = True
    cause = Said("No engine answers at %(url)s.")
    next_step = Said(
        "Start Ollama (“ollama serve”, or its app) and try again.",
        openai=N_("Start the model server, or correct OPENAI_BASE_URL, and try again."),
    )


class ModelAway(EngineUnreachable):
    code = "model_away"
    cause = Said("The model “%(model)s” is not here, and no engine answers at %(url)s.")
    next_step = Said(
        "Start Ollama, or ask a model that is here.", openai=N_("Start the model server, or ask a model that is here.")
    )


class EngineForbids(EngineError):
    code = "engine_forbids"
    cause = Said("The engine at %(url)s refuses this request.")
    next_step = Said(
        "If it is behind a proxy, have the proxy send “Host: localhost:11434”, or check its sign-in.",
        openai=N_("Check OPENAI_API_KEY, and what a proxy in between lets through."),
    )


class ModelMissing(EngineError):
    status = 404
    code = "model_missing"
    cause = Said(
        "The model “%(model)s” is not on this machine.", openai=N_("The model “%(model)s” is not on the model server.")
    )
    next_step = Said(
        "Run “ollama pull %(model)s”, or choose another model.",
        openai=N_("Start the server with it, or choose another model."),
    )


class ModelElsewhere(EngineError):
    status = 403
    code = "model_elsewhere"
    cause = Said("The model “%(model)s” would run on another machine, and so read what you write there.")
    next_step = Said("Choose another model; whoever runs this server may allow it with ALLOW_REMOTE_MODELS.")


class RanElsewhere(ModelElsewhere):
    code = "ran_elsewhere"
    cause = Said(
        "The model “%(model)s” ran on another machine, though nothing said so before: it has read what was sent."
    )
    next_step = Said("The answer was broken off. Choose another model, or have whoever runs this server look into it.")


class NoModel(EngineError):
    status = 503
    code = "no_model"
    cause = Said("The engine at %(url)s has no model yet.")
    next_step = Said(
        "Run “ollama pull llama3.2” (or any other model) and try again.",
        openai=N_("Start the server with one and try again."),
    )


class ModelUnsuited(EngineError):
    status = 400
    code = "model_unsuited"
    cause = Said("The model “%(model)s” cannot do what was asked of it.")
    next_step = Said("Choose another model.")


class RequestUnsuited(EngineError):
    status = 400
    code = "request_unsuited"
    cause = Said("The engine does not take these tools, or this format.")
    next_step = Said("Check that both are JSON Schema, and simple: each engine knows a part of it.")


class OutOfMemory(EngineError):
    status = 503
    code = "out_of_memory"
    passing = True
    cause = Said("This machine has not enough free memory for the model “%(model)s”.")
    next_step = Said("Close other programs, choose a smaller model or a smaller context, and try again.")


class EngineBusy(EngineError):
    status = 503
    code = "engine_busy"
    passing = True
    cause = Said("The engine has too many requests waiting.")
    next_step = Said("Try again in a moment.")


class ContextFull(EngineError):
    status = 413
    code = "context_full"
    cause = Said("This message is longer than the model “%(model)s” can read at once (%(context)s).")
    next_step = Said(
        "Shorten it, send it in parts, or set a larger NUM_CTX.",
        openai=N_("Shorten it, send it in parts, or start the model server with a larger context."),
    )


class EngineSilent(EngineError):
    status = 504
    code = "engine_silent"
    passing = True
    cause = Said("The engine said nothing for %(seconds)s seconds.")
    next_step = Said("Try again; if large models load slowly here, set a larger REQUEST_TIMEOUT_SECONDS.")


class AnswerCut(EngineError):
    code = "answer_cut"
    passing = True
    cause = Said("The engine broke off before the end of the answer.")
    next_step = Said("What it wrote is kept. Try again.")


class ServerStopped(EngineError):
    status = 503
    code = "server_stopped"
    passing = True
    cause = Said("The server was stopped before the end of the answer.")
    next_step = Said("What was written is kept. Try again.")


class EngineBroke(EngineError):
    code = "engine_broke"
    passing = True
    cause = Said("The engine had an error of its own.")
    next_step = Said("Try again; if it happens again, look at the engine's own log.")


def every_error(root: type[InsightError] = InsightError) -> dict[str, type[InsightError]]:
    """All error classes at and below `root`, by code."""
    found = {root.code: root}
    for child in root.__subclasses__():
        found.update(every_error(child))
    return found


def explain(code: str, **facts: object) -> InsightError:
    """The error that a stored code stands for, its texts filled with `facts`; unknown codes read as a plain error."""
    return every_error().get(code, InsightError)(**facts)
