"""The server's entry: gevent first, then the app."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from gevent import get_hub  # noqa: E402

from insight_app import cli, create_app  # noqa: E402
from insight_app.errors import ConfigError, DatabaseError, NotYet  # noqa: E402
from insight_app.telemetry import logs  # noqa: E402

# A worker that cannot start now, since the database is away, is tried again after that.
AGAIN_SECONDS = 2.0

os.umask(0o077)  # what is stored is its owner's alone
try:
    if cli.is_asked(sys.argv):
        app = cli.app
    else:
        # What cannot yield, as the hashing of passwords, goes to real threads.
        app = create_app(outside=lambda work: get_hub().threadpool.apply(work))
        logs.take_over()
except (ConfigError, DatabaseError) as error:
    logs.cannot_start(error)
    if isinstance(error, ConfigError) and not isinstance(error, NotYet):
        sys.exit(3)  # the status at which gunicorn gives up, with all its workers, instead of trying again
    time.sleep(AGAIN_SECONDS)
    sys.exit(1)

if __name__ == "__main__":  # where gunicorn does not run (Windows), gevent's own server does
    from gevent.pywsgi import WSGIServer

    settings = app.extensions["insight"].settings
    WSGIServer((settings.app_host, settings.app_port), app, log=None).serve_forever()
