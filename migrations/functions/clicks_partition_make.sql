-- Makes the partition of the UTC month that holds `at`; true when it was made, false when it was
-- there. Strays of that month wait in the default partition and are moved over, since Postgres
-- refuses a partition whose rows already stand in the default one.
CREATE OR REPLACE FUNCTION clicks_partition_make(at timestamptz) RETURNS boolean
LANGUAGE plpgsql
-- Making a partition takes the owner of clicks: the relay's role has that right here alone.
SECURITY DEFINER SET search_path FROM CURRENT
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
REVOKE EXECUTE ON FUNCTION clicks_partition_make(timestamptz) FROM PUBLIC;
