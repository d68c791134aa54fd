-- What an event may have in common with others, as hashes: its link, its referrer, its user agent.
CREATE OR REPLACE FUNCTION event_traits(link_id bigint, referrer text, user_agent text) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[
    hashint8extended(link_id, 1), hashtextextended(coalesce(referrer, ''), 2),
    hashtextextended(coalesce(user_agent, ''), 3)
];
