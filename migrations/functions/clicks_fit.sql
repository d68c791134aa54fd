-- Of these rows of the outbox those that break no CHECK of clicks, as far as can be told without
-- inserting them, and have none of the traits that are to be avoided. It decides only who goes with
-- whom: what is left out is tried by itself, and what a trigger or an index has against the others
-- Postgres says when they are inserted.
CREATE OR REPLACE FUNCTION clicks_fit(tuples tid[], avoided bigint[]) RETURNS SETOF tid
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
