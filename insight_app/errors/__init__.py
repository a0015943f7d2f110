"""Every error that is raised on purpose, each with a cause and a next step in plain words.

One tree, whose root is InsightError. Each area has its branches in a file of its own, drawn at the top of it:

start.py        What keeps the product from starting: a setting that cannot be used.
requests.py     What a request is refused for, whoever sends it and whatever it asks for.
programs.py     What programs are told at the doors for them; what nobody else can read there is in English alone.
accounts.py     Who asks is not known, not let in, or may not do this.
chat.py         A message cannot be sent as it is, or an answer ends before its time.
files.py        A file cannot be attached to a message.
moderation.py   A rule or a judge refuses, or cannot be asked, and then nothing is let through.
limits.py       Somebody asks for more than there is, now or at all.
engines.py      The engine did not write the answer, or not all of it.
library.py      A model cannot be fetched or removed.
storage.py      What is to be kept cannot be kept now, or not be brought back.

All are known by their names here too: who raises or catches one need not know in which file it is.
"""

# ruff: noqa: F403  # to list here what the files hold would be to write each name twice
from insight_app.errors.accounts import *
from insight_app.errors.base import *
from insight_app.errors.chat import *
from insight_app.errors.engines import *
from insight_app.errors.files import *
from insight_app.errors.library import *
from insight_app.errors.limits import *
from insight_app.errors.moderation import *
from insight_app.errors.programs import *
from insight_app.errors.requests import *
from insight_app.errors.start import *
from insight_app.errors.storage import *
