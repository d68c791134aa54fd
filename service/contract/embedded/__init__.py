"""A Postgres of our own, for those who did not bring one.

The programs come from a wheel, the life cycle is here.

    DATA_DIR/
        postgres/       the cluster
        postgres.log    what the server says (.1: the log before, beyond 10 MB)
        lock            held while somebody starts or stops the server
        users           held, shared, by every process that uses it
        server          held by the postgres processes themselves
        socket          the path of the runtime directory, see `runtime`

No TCP port, no pid lists, nothing left behind by the last user, and no directory's owner or
permissions changed but of those made here.
"""

from service.contract.embedded.errors import EmbeddedPostgresError
from service.contract.embedded.postgres import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]
