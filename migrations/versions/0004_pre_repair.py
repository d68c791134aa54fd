"""Repair: 0001 and 0003 were edited after they had been applied; bring every state to the last one.

Each step looks at the catalog first, so a database that lacks nothing is not locked. Functions are
loaded from migrations/functions after this.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = r"""
DO $repair$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint
                   WHERE conrelid = 'clicks'::regclass AND conname = 'clicks_occurred_at_check') THEN
        -- Reads all clicks once. The relay waits meanwhile, redirects do not.
        ALTER TABLE clicks ADD CONSTRAINT clicks_occurred_at_check CHECK (
            occurred_at >= '1970-01-01 00:00+00' AND occurred_at < '10000-01-01 00:00+00'
        );
    END IF;

    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = 'dead_letters'::regclass AND attname = 'fingerprint') THEN
        CREATE FUNCTION error_shape(message text) RETURNS text
        LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            shape text COLLATE "C" := message;
        BEGIN
            shape := regexp_replace(shape, '\n(?:DETAIL|HINT|QUERY|CONTEXT|LINE [0-9]+): .*', '');
            shape := regexp_replace(shape,
                '[A-Za-z][A-Za-z0-9+.-]*://[^\s"''<>]*|[^\s"''<>()=,;:]+@[^\s"''<>(),;:]+', '?', 'g');
            shape := regexp_replace(shape,
                '\m(constraint|relation|column|table|index|function|trigger|type|schema)'
                ' "([A-Za-z0-9_.$-]*)"', '\1 \2', 'g');
            shape := regexp_replace(shape,
                '(?<!\w)"(?:[^"\\]|\\.|"(?=\w))*(?:"|\\?$)'
                '|(?<!\w)[bru]?''(?:[^''\\]|\\.|''(?=\w))*(?:''|\\?$)', '?', 'g');
            shape := regexp_replace(shape,
                '[-+]?(?:0x)?[0-9A-Fa-f.:+-]*[0-9][0-9A-Fa-f.:+-]*', '?', 'g');
            RETURN regexp_replace(shape, '\?(?:[\s,;:/+T-]*\?)+', '?', 'g');
        END $$;

        CREATE FUNCTION error_fingerprint(error_class text, error_message text) RETURNS text
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        RETURN left(
            encode(sha256(convert_to(error_class || E'\n' || error_shape(error_message), 'UTF8')),
                   'hex'), 12
        );

        ALTER TABLE dead_letters ADD fingerprint text NOT NULL
            GENERATED ALWAYS AS (error_fingerprint(error_class, error_message)) STORED;
        CREATE INDEX dead_letters_fingerprint_message_id ON dead_letters (fingerprint, message_id);
    END IF;

    IF to_regclass('dead_letter_actions') IS NULL THEN
        CREATE TABLE dead_letter_actions (
            id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at      timestamptz NOT NULL DEFAULT clock_timestamp(),
            last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            action  text NOT NULL CHECK (action IN ('replay', 'discard')),
            role    text NOT NULL DEFAULT session_user,
            os_user text,
            choice  jsonb NOT NULL,
            reason  text,
            planned bigint NOT NULL,
            events  bigint NOT NULL DEFAULT 0,
            CONSTRAINT dead_letter_actions_reason_check
                CHECK (action <> 'discard' OR (reason IS NOT NULL AND reason ~ '\S'))
        );
        COMMENT ON COLUMN dead_letter_actions.choice IS
            'the criteria given; empty: every dead letter';
        COMMENT ON COLUMN dead_letter_actions.planned IS 'letters that matched at the start';
        COMMENT ON COLUMN dead_letter_actions.events IS
            'letters done so far, the last ones at last_at';
        CREATE TABLE dead_letter_action_events (
            action_id     bigint NOT NULL REFERENCES dead_letter_actions ON DELETE CASCADE,
            message_id    uuid NOT NULL,
            link_id       bigint NOT NULL,
            occurred_at   timestamptz NOT NULL,
            attempts      integer NOT NULL,
            fingerprint   text NOT NULL,
            error_class   text NOT NULL,
            error_message text NOT NULL,
            PRIMARY KEY (action_id, message_id)
        );
        CREATE INDEX dead_letter_action_events_message_id ON dead_letter_action_events (message_id);
    END IF;

    IF NOT EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = 'deleted_links'::regclass AND attname = 'purged_at') THEN
        ALTER TABLE deleted_links ADD purged_at timestamptz;
    END IF;

    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = 'idempotency_keys'::regclass AND attname = 'location') THEN
        ALTER TABLE idempotency_keys ADD headers jsonb;
        UPDATE idempotency_keys SET headers = jsonb_build_object('Location', location)
        WHERE location IS NOT NULL;
        ALTER TABLE idempotency_keys DROP location;
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'idempotency_keys'::regclass
               AND attname = 'answer' AND atttypid = 'jsonb'::regtype) THEN
        ALTER TABLE idempotency_keys ALTER answer TYPE json USING answer::text::json;
    END IF;
    COMMENT ON COLUMN idempotency_keys.answer IS
        'json, which keeps every byte: it is sent again as it is';

    -- The outbox last: redirects wait from here to the commit.
    IF to_regclass('outbox_available_at_id') IS NULL THEN
        CREATE INDEX outbox_available_at_id ON outbox (available_at, id);
    END IF;
    IF to_regclass('outbox_suspects') IS NULL THEN
        CREATE INDEX outbox_suspects ON outbox (available_at, id) WHERE attempts > 0;
    END IF;
    DROP INDEX IF EXISTS outbox_available_at;
END $repair$;
"""


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(UP)


def downgrade() -> None:
    """The repaired schema is what 0003 makes today."""
