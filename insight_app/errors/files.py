"""A file cannot be attached to a message.

InputError              (requests.py)
├── FileRefused         a file cannot be attached to a message
│   ├── TooManyFiles
│   ├── FileTooLarge    more than MAX_ATTACHMENT_MB
│   ├── FilesTooLarge   all files of a message together
│   ├── FileEmpty
│   ├── FileTooLong     more text than MAX_PROMPT_CHARS
│   ├── FileTooMuch     it takes more memory or time than anybody may take
│   ├── FileWaits       so many are being read that it did not get its turn
│   ├── FilesInMemory   those of temporary chats have all the memory that they may have
│   ├── FileUnreadable  neither text nor a picture nor a PDF
│   ├── ImageBroken
│   ├── ImageTooLarge   in pixels
│   ├── PdfBroken
│   ├── PdfLocked       it opens with a password only
│   ├── PdfWithoutText  scanned pages
│   └── FileGone        it was attached, but not sent for an hour
└── ModelBlind          an image for a model that sees none
"""

from __future__ import annotations

from insight_app.errors.base import Said
from insight_app.errors.requests import InputError


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


class FileWaits(FileRefused):
    status = 503
    code = "file_waits"
    cause = Said("The file “%(name)s” was not read, since many others are being read just now.")
    next_step = Said("Try again in a minute.")


class FilesInMemory(FileRefused):
    status = 413
    code = "files_in_memory"
    cause = Said("The files of temporary chats are held in memory, and there is no room for “%(name)s”.")
    next_step = Said("End temporary chats that you no longer need, or attach it in a chat that is kept.")


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
