CREATE TYPE public.pgqueuer_status AS ENUM (
    'queued',
    'picked',
    'successful',
    'exception',
    'canceled',
    'deleted',
    'failed'
);

CREATE FUNCTION public.clicks_fit(tuples tid[], avoided bigint[]) RETURNS SETOF tid
    LANGUAGE plpgsql STABLE
    AS $_$
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
END $_$;

CREATE FUNCTION public.clicks_move_each(message_ids uuid[]) RETURNS TABLE(message_id uuid, outcome text, code text, error text, traits bigint[])
    LANGUAGE plpgsql
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
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

CREATE FUNCTION public.clicks_partition_make(at timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.error_shape(message text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $_$
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
END $_$;

CREATE FUNCTION public.error_fingerprint(error_class text, error_message text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN "left"(encode(sha256(convert_to(((error_class || '
'::text) || public.error_shape(error_message)), 'UTF8'::name)), 'hex'::text), 12);

CREATE TABLE public.dead_letters (
    message_id uuid NOT NULL,
    link_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    event jsonb NOT NULL,
    attempts integer NOT NULL,
    error_class text NOT NULL,
    error_message text NOT NULL,
    first_failed_at timestamp with time zone NOT NULL,
    dead_at timestamp with time zone DEFAULT now() NOT NULL,
    fingerprint text GENERATED ALWAYS AS (public.error_fingerprint(error_class, error_message)) STORED NOT NULL
);

CREATE FUNCTION public.dead_letters_chosen(of_ids uuid[], of_class text, of_fingerprint text, of_code text) RETURNS SETOF public.dead_letters
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT * FROM dead_letters
    WHERE (of_ids IS NULL OR message_id = ANY(of_ids))
      AND (of_class IS NULL OR error_class = of_class)
      AND (of_fingerprint IS NULL OR fingerprint = of_fingerprint)
      AND (of_code IS NULL OR link_id = (SELECT id FROM links WHERE code = of_code))
$$;

CREATE FUNCTION public.event_traits(link_id bigint, referrer text, user_agent text) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ARRAY[hashint8extended(link_id, (1)::bigint), hashtextextended(COALESCE(referrer, ''::text), (2)::bigint), hashtextextended(COALESCE(user_agent, ''::text), (3)::bigint)];

CREATE FUNCTION public.fn_pgqueuer_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;

    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'ch_pgqueuer',
            json_build_object(
                'channel', 'ch_pgqueuer',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;

    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;

END;
$$;

CREATE FUNCTION public.uuidv7_floor(at timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

CREATE TABLE public.allowances (
    key bytea NOT NULL,
    full_at timestamp with time zone NOT NULL
);

COMMENT ON COLUMN public.allowances.key IS 'keyed hash of what is limited and whose it is: no address is kept';

CREATE TABLE public.api_keys (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

COMMENT ON COLUMN public.api_keys.secret_hash IS 'SHA-256 of the key, which is 256 random bits';

COMMENT ON COLUMN public.api_keys.last_used_at IS 'to the minute or so';

ALTER TABLE public.api_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.api_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.clicks (
    message_id uuid NOT NULL,
    link_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    referrer text,
    user_agent text,
    CONSTRAINT clicks_occurred_at_check CHECK (((occurred_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (occurred_at < '10000-01-01 00:00:00+00'::timestamp with time zone)))
)
PARTITION BY RANGE (message_id);

COMMENT ON COLUMN public.clicks.attempts IS 'handlings it took, the successful one included';

CREATE TABLE public.clicks_default (
    message_id uuid CONSTRAINT clicks_message_id_not_null NOT NULL,
    link_id bigint CONSTRAINT clicks_link_id_not_null NOT NULL,
    occurred_at timestamp with time zone CONSTRAINT clicks_occurred_at_not_null NOT NULL,
    attempts integer DEFAULT 1 CONSTRAINT clicks_attempts_not_null NOT NULL,
    referrer text,
    user_agent text,
    CONSTRAINT clicks_occurred_at_check CHECK (((occurred_at >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (occurred_at < '10000-01-01 00:00:00+00'::timestamp with time zone)))
);

CREATE TABLE public.clicks_hourly (
    link_id bigint NOT NULL,
    hour timestamp with time zone NOT NULL,
    clicks bigint NOT NULL
);

COMMENT ON COLUMN public.clicks_hourly.hour IS 'start of the UTC hour of clicks.occurred_at';

CREATE TABLE public.dead_letter_action_events (
    action_id bigint NOT NULL,
    message_id uuid NOT NULL,
    link_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    attempts integer NOT NULL,
    fingerprint text NOT NULL,
    error_class text NOT NULL,
    error_message text NOT NULL
);

CREATE TABLE public.dead_letter_actions (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    action text NOT NULL,
    role text DEFAULT SESSION_USER NOT NULL,
    os_user text,
    choice jsonb NOT NULL,
    reason text,
    planned bigint NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    CONSTRAINT dead_letter_actions_action_check CHECK ((action = ANY (ARRAY['replay'::text, 'discard'::text]))),
    CONSTRAINT dead_letter_actions_reason_check CHECK (((action <> 'discard'::text) OR ((reason IS NOT NULL) AND (reason ~ '\S'::text))))
);

COMMENT ON COLUMN public.dead_letter_actions.choice IS 'the criteria given; empty: every dead letter';

COMMENT ON COLUMN public.dead_letter_actions.planned IS 'letters that matched at the start';

COMMENT ON COLUMN public.dead_letter_actions.events IS 'letters done so far, the last ones at last_at';

ALTER TABLE public.dead_letter_actions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letter_actions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.deleted_links (
    link_id bigint NOT NULL,
    deleted_at timestamp with time zone DEFAULT now() NOT NULL,
    purged_at timestamp with time zone
);

CREATE TABLE public.idempotency_keys (
    user_id bigint NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    headers jsonb,
    answer json,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON COLUMN public.idempotency_keys.answer IS 'json, which keeps every byte: it is sent again as it is';

CREATE TABLE public.invites (
    id bigint NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    secret_hash bytea NOT NULL,
    created_by bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    accepted_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT invites_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text])))
);

COMMENT ON COLUMN public.invites.secret_hash IS 'SHA-256 of the token, which is 256 random bits';

ALTER TABLE public.invites ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.invites_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.links (
    id bigint NOT NULL,
    code text NOT NULL COLLATE pg_catalog."C",
    target text NOT NULL,
    owner_id bigint,
    title text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    disabled_at timestamp with time zone,
    redirect_code smallint DEFAULT 302 NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT links_code_check CHECK ((code ~ '^[A-Za-z0-9_-]{1,64}$'::text)),
    CONSTRAINT links_redirect_code_check CHECK ((redirect_code = ANY (ARRAY[301, 302, 307, 308])))
);

ALTER TABLE public.links ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.links_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    message_id uuid NOT NULL,
    link_id bigint NOT NULL,
    occurred_at timestamp with time zone DEFAULT now() NOT NULL,
    available_at timestamp with time zone DEFAULT now() NOT NULL,
    first_failed_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    referrer text,
    user_agent text,
    last_error text
);

COMMENT ON COLUMN public.outbox.attempts IS 'failed handlings so far';

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pgqueuer (
    id bigint NOT NULL,
    priority integer NOT NULL,
    queue_manager_id uuid,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    execute_after timestamp with time zone DEFAULT now() NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    slot bigint
);

CREATE SEQUENCE public.pgqueuer_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_id_seq OWNED BY public.pgqueuer.id;

CREATE TABLE public.pgqueuer_log (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint NOT NULL,
    status public.pgqueuer_status NOT NULL,
    priority integer NOT NULL,
    entrypoint text NOT NULL,
    traceback jsonb,
    aggregated boolean DEFAULT false
);

ALTER TABLE public.pgqueuer_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.pgqueuer_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.pgqueuer_schedules (
    id bigint NOT NULL,
    expression text NOT NULL,
    entrypoint text NOT NULL,
    heartbeat timestamp with time zone DEFAULT now() NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL,
    next_run timestamp with time zone DEFAULT now() NOT NULL,
    last_run timestamp with time zone,
    status public.pgqueuer_status DEFAULT 'queued'::public.pgqueuer_status
);

CREATE SEQUENCE public.pgqueuer_schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_schedules_id_seq OWNED BY public.pgqueuer_schedules.id;

CREATE TABLE public.pgqueuer_statistics (
    id bigint NOT NULL,
    created timestamp with time zone DEFAULT date_trunc('sec'::text, now()) NOT NULL,
    count bigint NOT NULL,
    priority integer NOT NULL,
    status public.pgqueuer_status NOT NULL,
    entrypoint text NOT NULL
);

CREATE SEQUENCE public.pgqueuer_statistics_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.pgqueuer_statistics_id_seq OWNED BY public.pgqueuer_statistics.id;

CREATE TABLE public.relays (
    id uuid NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    version text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    progress_at timestamp with time zone NOT NULL,
    stopped_at timestamp with time zone
)
WITH (fillfactor='50');

COMMENT ON COLUMN public.relays.version IS 'the schema revision its code is written for';

COMMENT ON COLUMN public.relays.progress_at IS 'when a batch was last moved, or nothing was due';

COMMENT ON COLUMN public.relays.stopped_at IS 'when it was stopped in order; null while it runs, or if killed';

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id bigint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone
);

CREATE TABLE public.setup (
    only_one boolean DEFAULT true NOT NULL,
    secret_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT setup_only_one_check CHECK (only_one)
);

CREATE TABLE public.users (
    id bigint NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    role text DEFAULT 'user'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    disabled_at timestamp with time zone,
    CONSTRAINT users_email_check CHECK ((email = lower(email))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['user'::text, 'admin'::text])))
);

ALTER TABLE public.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.verifications (
    only_one boolean DEFAULT true NOT NULL,
    at timestamp with time zone NOT NULL,
    differences bigint NOT NULL,
    CONSTRAINT verifications_only_one_check CHECK (only_one)
);

COMMENT ON TABLE public.verifications IS 'the last comparison of rollups with clicks';

ALTER TABLE ONLY public.clicks ATTACH PARTITION public.clicks_default DEFAULT;

ALTER TABLE ONLY public.pgqueuer ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_schedules ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_schedules_id_seq'::regclass);

ALTER TABLE ONLY public.pgqueuer_statistics ALTER COLUMN id SET DEFAULT nextval('public.pgqueuer_statistics_id_seq'::regclass);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY public.allowances
    ADD CONSTRAINT allowances_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_secret_hash_key UNIQUE (secret_hash);

ALTER TABLE ONLY public.clicks
    ADD CONSTRAINT clicks_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY public.clicks_default
    ADD CONSTRAINT clicks_default_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY public.clicks_hourly
    ADD CONSTRAINT clicks_hourly_pkey PRIMARY KEY (link_id, hour);

ALTER TABLE ONLY public.dead_letter_action_events
    ADD CONSTRAINT dead_letter_action_events_pkey PRIMARY KEY (action_id, message_id);

ALTER TABLE ONLY public.dead_letter_actions
    ADD CONSTRAINT dead_letter_actions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.dead_letters
    ADD CONSTRAINT dead_letters_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY public.deleted_links
    ADD CONSTRAINT deleted_links_pkey PRIMARY KEY (link_id);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key);

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_secret_hash_key UNIQUE (secret_hash);

ALTER TABLE ONLY public.links
    ADD CONSTRAINT links_code_key UNIQUE (code);

ALTER TABLE ONLY public.links
    ADD CONSTRAINT links_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (message_id);

ALTER TABLE ONLY public.pgqueuer_log
    ADD CONSTRAINT pgqueuer_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer
    ADD CONSTRAINT pgqueuer_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_expression_entrypoint_key UNIQUE (expression, entrypoint);

ALTER TABLE ONLY public.pgqueuer_schedules
    ADD CONSTRAINT pgqueuer_schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.pgqueuer_statistics
    ADD CONSTRAINT pgqueuer_statistics_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.relays
    ADD CONSTRAINT relays_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.setup
    ADD CONSTRAINT setup_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.verifications
    ADD CONSTRAINT verifications_pkey PRIMARY KEY (only_one);

CREATE INDEX allowances_full_at ON public.allowances USING btree (full_at);

CREATE INDEX api_keys_user_id_id ON public.api_keys USING btree (user_id, id);

CREATE INDEX clicks_link_id_occurred_at ON ONLY public.clicks USING btree (link_id, occurred_at);

CREATE INDEX clicks_default_link_id_occurred_at_idx ON public.clicks_default USING btree (link_id, occurred_at);

CREATE INDEX clicks_hourly_hour ON public.clicks_hourly USING btree (hour);

CREATE INDEX dead_letter_action_events_message_id ON public.dead_letter_action_events USING btree (message_id);

CREATE INDEX dead_letters_dead_at ON public.dead_letters USING btree (dead_at);

CREATE INDEX dead_letters_fingerprint_message_id ON public.dead_letters USING btree (fingerprint, message_id);

CREATE INDEX dead_letters_link_id ON public.dead_letters USING btree (link_id);

CREATE INDEX idempotency_keys_created_at ON public.idempotency_keys USING btree (created_at);

CREATE INDEX invites_created_by ON public.invites USING btree (created_by);

CREATE INDEX invites_email ON public.invites USING btree (email);

CREATE INDEX links_owner_id_id ON public.links USING btree (owner_id, id);

CREATE INDEX outbox_available_at_id ON public.outbox USING btree (available_at, id);

CREATE INDEX outbox_suspects ON public.outbox USING btree (available_at, id) WHERE (attempts > 0);

CREATE INDEX pgqueuer_ep_ea_idx ON public.pgqueuer USING btree (entrypoint, execute_after) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_ep_prio_id_idx ON public.pgqueuer USING btree (entrypoint, priority DESC, id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_log_created ON public.pgqueuer_log USING btree (created);

CREATE INDEX pgqueuer_log_job_id_status ON public.pgqueuer_log USING btree (job_id, created DESC);

CREATE INDEX pgqueuer_log_not_aggregated ON public.pgqueuer_log USING btree ((1)) WHERE (NOT aggregated);

CREATE INDEX pgqueuer_log_status ON public.pgqueuer_log USING btree (status);

CREATE INDEX pgqueuer_picked_heartbeat_idx ON public.pgqueuer USING btree (heartbeat) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE UNIQUE INDEX pgqueuer_picked_slot_idx ON public.pgqueuer USING btree (entrypoint, slot) WHERE ((status = 'picked'::public.pgqueuer_status) AND (slot IS NOT NULL));

CREATE INDEX pgqueuer_priority_id_id1_idx ON public.pgqueuer USING btree (priority, id DESC) INCLUDE (id) WHERE (status = 'queued'::public.pgqueuer_status);

CREATE INDEX pgqueuer_queue_manager_id_idx ON public.pgqueuer USING btree (queue_manager_id) WHERE (queue_manager_id IS NOT NULL);

CREATE UNIQUE INDEX pgqueuer_statistics_unique_count ON public.pgqueuer_statistics USING btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

CREATE UNIQUE INDEX pgqueuer_unique_dedupe_key ON public.pgqueuer USING btree (dedupe_key) WHERE ((status = ANY (ARRAY['queued'::public.pgqueuer_status, 'picked'::public.pgqueuer_status])) AND (dedupe_key IS NOT NULL));

CREATE INDEX pgqueuer_updated_id_id1_idx ON public.pgqueuer USING btree (updated, id DESC) INCLUDE (id) WHERE (status = 'picked'::public.pgqueuer_status);

CREATE INDEX sessions_expires_at ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_user_id ON public.sessions USING btree (user_id);

ALTER INDEX public.clicks_link_id_occurred_at ATTACH PARTITION public.clicks_default_link_id_occurred_at_idx;

ALTER INDEX public.clicks_pkey ATTACH PARTITION public.clicks_default_pkey;

CREATE TRIGGER tg_pgqueuer_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON public.pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION public.fn_pgqueuer_changed();

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.dead_letter_action_events
    ADD CONSTRAINT dead_letter_action_events_action_id_fkey FOREIGN KEY (action_id) REFERENCES public.dead_letter_actions(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.invites
    ADD CONSTRAINT invites_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.links
    ADD CONSTRAINT links_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id) ON DELETE SET NULL;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
