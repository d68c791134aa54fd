-- Moves events that the transaction has locked in the outbox. Each is inserted in a transaction of
-- its own within this one, so that one that is refused stays as it was and undoes no other. Tells
-- what became of each: moved, duplicate, orphan, or refused with the code and text of its error; and
-- its traits, where they can be read.
-- Sorted by key throughout, so that two that meet on a row wait for each other in one order. The
-- relay's clicks_move does the same for a whole batch at once.
CREATE OR REPLACE FUNCTION clicks_move_each(message_ids uuid[])
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
