"""serve: what the service is there for, and does when no command is named."""

from __future__ import annotations

from service.address import recorded
from service.cli.session import migrated
from service.contract.postgres import database
from service.contract.process import OK, introduce, run, say
from service.contract.stderr import open_log
from service.server import serve as serve_app
from service.settings import ServiceSettings, secret_key
from service.worker import this_worker
from service.workers import supervise


def serve() -> int:
    """Serve redirects, the API and statistics (the default)."""
    open_log("service")
    settings = ServiceSettings.load()
    worker = this_worker()
    with database(settings, say) as chosen:
        if worker is None:
            migrated(chosen)
        introduce(chosen)
        key = secret_key(settings, embedded=chosen.kind == "embedded")
        if worker is not None:
            run(serve_app(settings, chosen, key, worker))
            return OK
        with recorded(settings, chosen):
            if settings.web_concurrency is not None:
                return run(supervise(settings, chosen, settings.web_concurrency))
            run(serve_app(settings, chosen, key))
    return OK
