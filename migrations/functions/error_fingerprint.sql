-- after: error_shape
-- Twelve digits that errors of one class and one cause have in common. Its body is bound when it is
-- made: a restore computes the column below with no schema to look for names in.
CREATE OR REPLACE FUNCTION error_fingerprint(error_class text, error_message text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN left(
    encode(sha256(convert_to(error_class || E'\n' || error_shape(error_message), 'UTF8')), 'hex'),
    12
);
