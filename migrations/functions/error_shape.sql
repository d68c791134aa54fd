-- What an error's message says once the values it quotes are taken out, so that errors of one cause
-- look alike. It is computed whenever a letter is written, so it must take any text whatever.
CREATE OR REPLACE FUNCTION error_shape(message text) RETURNS text
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
