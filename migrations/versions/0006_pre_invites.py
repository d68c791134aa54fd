"""Invites: an account that an admin offers, with a token that is shown once and kept as a hash."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE invites (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email       text NOT NULL,
    role        text NOT NULL CONSTRAINT invites_role_check CHECK (role IN ('user', 'admin')),
    secret_hash bytea NOT NULL UNIQUE,
    created_by  bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX invites_email ON invites (email);
CREATE INDEX invites_created_by ON invites (created_by);
COMMENT ON COLUMN invites.secret_hash IS 'SHA-256 of the token, which is 256 random bits';
"""

DOWN = "DROP TABLE invites"


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(UP)


def downgrade() -> None:
    op.get_bind().connection.cursor().execute(DOWN)
