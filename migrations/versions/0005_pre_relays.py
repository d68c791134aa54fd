"""Relays report that they live; the last verification is kept; hours of the future are found by index.

The index is built while relays wait; redirects do not write to clicks_hourly.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
-- One row per relay process, updated every few seconds: no index holds a column that changes.
CREATE TABLE relays (
    id          uuid PRIMARY KEY,
    host        text NOT NULL,
    pid         integer NOT NULL,
    version     text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    seen_at     timestamptz NOT NULL,
    progress_at timestamptz NOT NULL,
    stopped_at  timestamptz
) WITH (fillfactor = 50);
COMMENT ON COLUMN relays.version IS 'the schema revision its code is written for';
COMMENT ON COLUMN relays.progress_at IS 'when a batch was last moved, or nothing was due';
COMMENT ON COLUMN relays.stopped_at IS 'when it was stopped in order; null while it runs, or if killed';

CREATE TABLE verifications (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    at          timestamptz NOT NULL,
    differences bigint NOT NULL
);
COMMENT ON TABLE verifications IS 'the last comparison of rollups with clicks';

CREATE INDEX clicks_hourly_hour ON clicks_hourly (hour);
"""

DOWN = """
DROP INDEX clicks_hourly_hour;
DROP TABLE verifications, relays;
"""


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(UP)


def downgrade() -> None:
    op.get_bind().connection.cursor().execute(DOWN)
