-- The letters that match every criterion given; none given, all. Everybody who chooses, by command
-- or by psql, chooses here. Written so that the planner puts it into the query that calls it.
CREATE OR REPLACE FUNCTION dead_letters_chosen(
    of_ids uuid[], of_class text, of_fingerprint text, of_code text
) RETURNS SETOF dead_letters
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM dead_letters
    WHERE (of_ids IS NULL OR message_id = ANY(of_ids))
      AND (of_class IS NULL OR error_class = of_class)
      AND (of_fingerprint IS NULL OR fingerprint = of_fingerprint)
      AND (of_code IS NULL OR link_id = (SELECT id FROM links WHERE code = of_code))
$$;
