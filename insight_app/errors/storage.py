"""What is to be kept cannot be kept now, or not be brought back.

InsightError
├── DatabaseError     what is to be kept cannot be kept now
│   ├── DatabaseAway  its server does not answer
│   ├── DatabaseBusy  another program holds the database
│   └── DatabaseFull  the disk has no room
└── BackupRefused     a backup cannot be made, or not be restored, as it was asked for
"""

from __future__ import annotations

from insight_app.errors.base import InsightError, Said


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
