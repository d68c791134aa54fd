-- Which letters are meant, by the variables that psql was given; rehearse.sql, replay.sql and
-- discard.sql begin with it. It does nothing by itself and stops when nothing was chosen.
--   message_ids=ID,ID…  error_class=…  fingerprint=…  code=…   those that match all that is given
--   all=yes                                                    or every letter
--   canary=N                                                   of these only the N oldest
\if :{?message_ids}
\else
    \set message_ids ''
\endif
\if :{?error_class}
\else
    \set error_class ''
\endif
\if :{?fingerprint}
\else
    \set fingerprint ''
\endif
\if :{?code}
\else
    \set code ''
\endif
\if :{?all}
\else
    \set all ''
\endif
\if :{?canary}
\else
    \set canary ''
\endif
\set os_user `id -un`
SELECT (:'all' = 'yes') <> (:'message_ids' || :'error_class' || :'fingerprint' || :'code' <> '')
       AS chosen \gset
\if :chosen
\else
    DO $$ BEGIN
        RAISE EXCEPTION 'say which: message_ids, error_class, fingerprint or code; or all=yes';
    END $$;
\endif
