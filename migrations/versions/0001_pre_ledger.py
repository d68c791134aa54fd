"""The ledger: people, links, the outbox, the clicks it becomes, their rollups and its dead letters."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = r"""
CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text NOT NULL UNIQUE CHECK (email = lower(email)),
    password_hash text NOT NULL,
    role          text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz
);

CREATE TABLE sessions (
    id         uuid PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- Codes are byte-exact: collation C keeps lookups and order independent of the server's locale.
CREATE TABLE links (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text COLLATE "C" NOT NULL UNIQUE CHECK (code ~ '^[A-Za-z0-9_-]{1,64}$'),
    target      text NOT NULL,
    owner_id    bigint REFERENCES users ON DELETE SET NULL,
    title       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    disabled_at timestamptz
);
CREATE INDEX links_owner_id_id ON links (owner_id, id);

-- Links whose clicks the relay still has to remove.
CREATE TABLE deleted_links (
    link_id    bigint PRIMARY KEY,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    purged_at  timestamptz
);

-- No foreign key to links: the redirect must not lock the link's row, and a link deleted while
-- its events are in flight must not turn them into failures.
CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    message_id      uuid PRIMARY KEY,
    link_id         bigint NOT NULL,
    occurred_at     timestamptz NOT NULL DEFAULT now(),
    available_at    timestamptz NOT NULL DEFAULT now(),
    first_failed_at timestamptz,
    attempts        integer NOT NULL DEFAULT 0,
    referrer        text,
    user_agent      text,
    last_error      text
);
-- The id tells apart events of one instant: a claim can go on exactly where the last one ended.
CREATE INDEX outbox_available_at_id ON outbox (available_at, id);
-- Events that have failed before, hardly any: they are looked for with every batch.
CREATE INDEX outbox_suspects ON outbox (available_at, id) WHERE attempts > 0;
COMMENT ON COLUMN outbox.attempts IS 'failed handlings so far';

-- Partitioned on the key itself: a UUIDv7 orders by time, so the key is unique over all
-- partitions and a month can still be dropped as a whole.
CREATE TABLE clicks (
    message_id  uuid PRIMARY KEY,
    link_id     bigint NOT NULL,
    -- Outside these years no calendar of ours can show a click.
    occurred_at timestamptz NOT NULL CHECK (
        occurred_at >= '1970-01-01 00:00+00' AND occurred_at < '10000-01-01 00:00+00'
    ),
    attempts    integer NOT NULL DEFAULT 1,
    referrer    text,
    user_agent  text
) PARTITION BY RANGE (message_id);
CREATE INDEX clicks_link_id_occurred_at ON clicks (link_id, occurred_at);
COMMENT ON COLUMN clicks.attempts IS 'handlings it took, the successful one included';
CREATE TABLE clicks_default PARTITION OF clicks DEFAULT;

CREATE TABLE clicks_hourly (
    link_id bigint NOT NULL,
    hour    timestamptz NOT NULL,
    clicks  bigint NOT NULL,
    PRIMARY KEY (link_id, hour)
);
COMMENT ON COLUMN clicks_hourly.hour IS 'start of the UTC hour of clicks.occurred_at';

-- What an error's message says once the values it quotes are taken out, so that errors of one cause
-- look alike. It is computed whenever a letter is written, so it must take any text whatever.
CREATE FUNCTION error_shape(message text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    -- Letters and digits are those of ASCII: the same on every server, whatever its locale.
    shape text COLLATE "C" := message;
BEGIN
    -- Below its message Postgres quotes rows and queries.
    shape := regexp_replace(shape, '\n(?:DETAIL|HINT|QUERY|CONTEXT|LINE [0-9]+): .*', '');
    -- Addresses of the web and of people.
    shape := regexp_replace(shape,
        '[A-Za-z][A-Za-z0-9+.-]*://[^\s"''<>]*|[^\s"''<>()=,;:]+@[^\s"''<>(),;:]+', '?', 'g');
    -- Of a constraint, a column and the like the name is the cause, not a value.
    shape := regexp_replace(shape,
        '\m(constraint|relation|column|table|index|function|trigger|type|schema)'
        ' "([A-Za-z0-9_.$-]*)"', '\1 \2', 'g');
    -- Quoted text, to its end if that was cut off. A quote inside a word is an apostrophe.
    shape := regexp_replace(shape,
        '(?<!\w)"(?:[^"\\]|\\.|"(?=\w))*(?:"|\\?$)'
        '|(?<!\w)[bru]?''(?:[^''\\]|\\.|''(?=\w))*(?:''|\\?$)', '?', 'g');
    -- Numbers, UUIDs, times, addresses of machines and of memory: hexadecimal digits and what
    -- joins them, a decimal one among them.
    shape := regexp_replace(shape,
        '[-+]?(?:0x)?[0-9A-Fa-f.:+-]*[0-9][0-9A-Fa-f.:+-]*', '?', 'g');
    -- A list of three values has the cause of a list of two.
    RETURN regexp_replace(shape, '\?(?:[\s,;:/+T-]*\?)+', '?', 'g');
END $$;

-- Twelve digits that errors of one class and one cause have in common. Its body is bound when it is
-- made: a restore computes the column below with no schema to look for names in.
CREATE FUNCTION error_fingerprint(error_class text, error_message text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN left(
    encode(sha256(convert_to(error_class || E'\n' || error_shape(error_message), 'UTF8')), 'hex'),
    12
);

CREATE TABLE dead_letters (
    message_id      uuid PRIMARY KEY,
    link_id         bigint NOT NULL,
    occurred_at     timestamptz NOT NULL,
    event           jsonb NOT NULL,
    attempts        integer NOT NULL,
    error_class     text NOT NULL,
    error_message   text NOT NULL,
    first_failed_at timestamptz NOT NULL,
    dead_at         timestamptz NOT NULL DEFAULT now(),
    fingerprint     text NOT NULL GENERATED ALWAYS AS (
        error_fingerprint(error_class, error_message)
    ) STORED
);
CREATE INDEX dead_letters_dead_at ON dead_letters (dead_at);
CREATE INDEX dead_letters_link_id ON dead_letters (link_id);
-- The oldest of a group come first in an action.
CREATE INDEX dead_letters_fingerprint_message_id ON dead_letters (fingerprint, message_id);

-- The letters that match every criterion given; none given, all. Everybody who chooses, by command
-- or by psql, chooses here. Written so that the planner puts it into the query that calls it.
CREATE FUNCTION dead_letters_chosen(
    of_ids uuid[], of_class text, of_fingerprint text, of_code text
) RETURNS SETOF dead_letters
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM dead_letters
    WHERE (of_ids IS NULL OR message_id = ANY(of_ids))
      AND (of_class IS NULL OR error_class = of_class)
      AND (of_fingerprint IS NULL OR fingerprint = of_fingerprint)
      AND (of_code IS NULL OR link_id = (SELECT id FROM links WHERE code = of_code))
$$;

-- Who did what to dead letters; written in the transaction that does it.
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
COMMENT ON COLUMN dead_letter_actions.choice IS 'the criteria given; empty: every dead letter';
COMMENT ON COLUMN dead_letter_actions.planned IS 'letters that matched at the start';
COMMENT ON COLUMN dead_letter_actions.events IS 'letters done so far, the last ones at last_at';

-- Each letter that an action took, so that what was discarded can still be named.
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

-- The smallest UUIDv7 of an instant: 48 bits of Unix milliseconds, then zeros (RFC 9562, 5.7).
CREATE FUNCTION uuidv7_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

-- Makes the partition of the UTC month that holds `at`; true when it was made, false when it was
-- there. Strays of that month wait in the default partition and are moved over, since Postgres
-- refuses a partition whose rows already stand in the default one.
CREATE FUNCTION clicks_partition_make(at timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    starts timestamptz := date_trunc('month', at, 'UTC');
    ends   timestamptz := (starts AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    name   text := 'clicks_' || to_char(starts AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('everyclick'), hashtext('clicks_partition_make'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    -- The relay's ROLLUPS: batches in flight end first, new ones come after. One that had chosen the
    -- default partition for a stray would be refused there, and the event would pay for it.
    PERFORM pg_advisory_xact_lock(7204316012);
    EXECUTE format('CREATE TABLE %I (LIKE clicks INCLUDING ALL)', name);
    LOCK TABLE clicks_default IN SHARE ROW EXCLUSIVE MODE;
    EXECUTE format(
        'WITH strays AS (DELETE FROM clicks_default
                         WHERE message_id >= %L AND message_id < %L RETURNING *)
         INSERT INTO %I SELECT * FROM strays',
        uuidv7_floor(starts), uuidv7_floor(ends), name);
    EXECUTE format('ALTER TABLE clicks ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        name, uuidv7_floor(starts), uuidv7_floor(ends));
    RETURN true;
END $$;

-- What an event may have in common with others, as hashes: its link, its referrer, its user agent.
CREATE FUNCTION event_traits(link_id bigint, referrer text, user_agent text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
    hashint8extended(link_id, 1), hashtextextended(coalesce(referrer, ''), 2),
    hashtextextended(coalesce(user_agent, ''), 3)
];

-- Of these rows of the outbox those that break no CHECK of clicks, as far as can be told without
-- inserting them, and have none of the traits that are to be avoided. It decides only who goes with
-- whom: what is left out is tried by itself, and what a trigger or an index has against the others
-- Postgres says when they are inserted.
CREATE FUNCTION clicks_fit(tuples tid[], avoided bigint[]) RETURNS SETOF tid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    checks text := (
        SELECT string_agg(format('(%s) IS NOT FALSE', pg_get_expr(conbin, conrelid)), ' AND ')
        FROM pg_constraint WHERE conrelid = 'clicks'::regclass AND contype = 'c'
    );
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT click.tuple
         FROM (SELECT ctid AS tuple, message_id, link_id, occurred_at, attempts + 1 AS attempts,
                      referrer, user_agent
               FROM outbox
               WHERE ctid = ANY ($1)
                 AND NOT event_traits(link_id, referrer, user_agent) && $2) AS click
         WHERE %s', coalesce(checks, 'true')) USING tuples, avoided;
EXCEPTION WHEN OTHERS THEN
    -- A CHECK that fails itself, or asks for more than an event holds, tells nobody apart.
    RETURN QUERY
        SELECT ctid FROM outbox
        WHERE ctid = ANY (tuples) AND NOT event_traits(link_id, referrer, user_agent) && avoided;
END $$;

-- Moves events that the transaction has locked in the outbox. Each is inserted in a transaction of
-- its own within this one, so that one that is refused stays as it was and undoes no other. Tells
-- what became of each: moved, duplicate, orphan, or refused with the code and text of its error; and
-- its traits, where they can be read.
-- Sorted by key throughout, so that two that meet on a row wait for each other in one order. The
-- relay's clicks_move does the same for a whole batch at once.
CREATE FUNCTION clicks_move_each(message_ids uuid[])
RETURNS TABLE (message_id uuid, outcome text, code text, error text, traits bigint[])
LANGUAGE plpgsql
-- Planned once, not for each event; and never by reading tables that are small just then.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    event record;
    moved uuid[] := '{}';
    gone  uuid[] := '{}';
BEGIN
    -- What somebody's deferred constraint has against an event is said now, not at the end of all.
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR event IN
        SELECT outbox.*, links.id IS NOT NULL AS live
        FROM outbox LEFT JOIN links ON links.id = outbox.link_id
        WHERE outbox.message_id = ANY (message_ids) ORDER BY outbox.message_id
    LOOP
        message_id := event.message_id;
        code := NULL;
        error := NULL;
        traits := '{}';
        outcome := 'orphan';
        IF event.live THEN
            BEGIN
                traits := event_traits(event.link_id, event.referrer, event.user_agent);
                INSERT INTO clicks (
                    message_id, link_id, occurred_at, attempts, referrer, user_agent
                ) VALUES (
                    event.message_id, event.link_id, event.occurred_at, event.attempts + 1,
                    event.referrer, event.user_agent
                ) ON CONFLICT (message_id) DO NOTHING;
                outcome := CASE WHEN FOUND THEN 'moved' ELSE 'duplicate' END;
            EXCEPTION WHEN OTHERS OR assert_failure THEN
                GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, error = MESSAGE_TEXT;
                outcome := 'refused';
            END;
        END IF;
        IF outcome = 'moved' THEN
            moved := moved || event.message_id;
        END IF;
        IF outcome <> 'refused' THEN
            gone := gone || event.message_id;
        END IF;
        RETURN NEXT;
    END LOOP;
    INSERT INTO clicks_hourly (link_id, hour, clicks)
    SELECT link_id, date_trunc('hour', occurred_at, 'UTC'), count(*)
    FROM outbox
    WHERE message_id = ANY (moved)
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (link_id, hour) DO UPDATE SET clicks = clicks_hourly.clicks + excluded.clicks;
    DELETE FROM dead_letters WHERE message_id = ANY (moved);
    DELETE FROM outbox WHERE message_id = ANY (gone);
END $$;
"""

DOWN = """
DROP FUNCTION clicks_move_each(uuid[]);
DROP FUNCTION clicks_fit(tid[], bigint[]);
DROP FUNCTION event_traits(bigint, text, text);
DROP FUNCTION clicks_partition_make(timestamptz);
DROP FUNCTION uuidv7_floor(timestamptz);
DROP TABLE dead_letter_action_events, dead_letter_actions;
DROP FUNCTION dead_letters_chosen(uuid[], text, text, text);
DROP TABLE dead_letters;
DROP FUNCTION error_fingerprint(text, text);
DROP FUNCTION error_shape(text);
DROP TABLE clicks_hourly, clicks, outbox, deleted_links, links, sessions, users;
"""


def upgrade() -> None:
    op.get_bind().connection.cursor().execute(UP)


def downgrade() -> None:
    op.get_bind().connection.cursor().execute(DOWN)
