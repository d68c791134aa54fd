-- The smallest UUIDv7 of an instant: 48 bits of Unix milliseconds, then zeros (RFC 9562, 5.7).
CREATE OR REPLACE FUNCTION uuidv7_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;
