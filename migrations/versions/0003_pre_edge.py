"""The edge: API keys, setup, allowances, answers kept for retries; how a link redirects."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = """
-- A permanent redirect is the link owner's choice; the version is what an ETag tells.
ALTER TABLE links
    ADD redirect_code smallint NOT NULL DEFAULT 302
        CONSTRAINT links_redirect_code_check CHECK (redirect_code IN (301, 302, 307, 308)),
    ADD version integer NOT NULL DEFAULT 1;

-- Keys for programs. Of a key only a hash is kept: whoever reads the table can use none.
CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    secret_hash  bytea NOT NULL UNIQUE,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_user_id_id ON api_keys (user_id, id);
COMMENT ON COLUMN api_keys.secret_hash IS 'SHA-256 of the key, which is 256 random bits';
COMMENT ON COLUMN api_keys.last_used_at IS 'to the minute or so';

-- The link that makes the first admin: one row at most, used once.
CREATE TABLE setup (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    secret_hash bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

-- How much somebody may still do. One row for each who did something lately, and one number in it:
-- the time at which all of it is allowed again (GCRA's theoretical arrival time).
CREATE TABLE allowances (
    key     bytea PRIMARY KEY,
    full_at timestamptz NOT NULL
);
CREATE INDEX allowances_full_at ON allowances (full_at);
COMMENT ON COLUMN allowances.key IS 'keyed hash of what is limited and whose it is: no address is kept';

-- Answers to creations that carried an Idempotency-Key, for whoever asks again.
CREATE TABLE idempotency_keys (
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    key          text NOT NULL,
    request_hash bytea NOT NULL,
    status       smallint,
    headers      jsonb,
    answer       json,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
COMMENT ON COLUMN idempotency_keys.answer IS 'json, which keeps every byte: it is sent again as it is';
"""

DOWN = """
DROP TABLE idempotency_keys, allowances, setup, api_keys;
ALTER TABLE links DROP redirect_code, DROP version;
"""


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(UP)


def downgrade() -> None:
    op.get_bind().connection.cursor().execute(DOWN)
