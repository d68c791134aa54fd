-- A little data in every table that a schema of this history has. What test_history.py expects:
-- of the link `live` 4 clicks are counted and 3 events wait, one of them deferred after two failures;
-- one dead letter of it stands; `gone` is expired, `off` is disabled.
INSERT INTO users (email, password_hash, role) VALUES
    ('admin@example.com', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA', 'admin'),
    ('user@example.com', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA', 'user');
INSERT INTO sessions (id, user_id, expires_at)
    VALUES ('00000000-0000-4000-8000-000000000001', 1, '2100-01-01 00:00+00');
INSERT INTO links (code, target, owner_id, title, expires_at, disabled_at) VALUES
    ('live', 'https://example.com/?q=ä', 2, 'Ä live link', NULL, NULL),
    ('gone', 'https://example.com/gone', 2, NULL, '2026-01-01 00:00+00', NULL),
    ('off', 'https://example.com/off', 1, NULL, NULL, '2026-01-01 00:00+00');
UPDATE links SET target = 'https://example.com/?q=1' WHERE code = 'live';
INSERT INTO deleted_links (link_id) VALUES (99);

SELECT clicks_partition_make('2026-11-24 00:00+00');
-- One of them is a stray of a month without a partition.
INSERT INTO clicks (message_id, link_id, occurred_at, attempts, referrer, user_agent) VALUES
    ('01a20b1a-4240-7000-8000-000000000001', 1, '2026-11-24 01:10+00', 1, NULL, 'Mozilla/5.0 (ä)'),
    ('01a20b1a-4240-7000-8000-000000000002', 1, '2026-11-24 01:20+00', 1, 'https://a.example/', NULL),
    ('01a20b1a-4240-7000-8000-000000000003', 1, '2026-11-24 02:10+00', 3, NULL, NULL),
    ('01946293-2cc0-7000-8000-000000000004', 1, '2025-01-14 02:10+00', 1, NULL, NULL);
INSERT INTO clicks_hourly (link_id, hour, clicks) VALUES
    (1, '2025-01-14 02:00+00', 1), (1, '2026-11-24 01:00+00', 2), (1, '2026-11-24 02:00+00', 1);

INSERT INTO outbox (message_id, link_id, occurred_at, available_at, attempts, first_failed_at,
                    referrer, user_agent, last_error) VALUES
    ('01a20b1a-5bc0-7000-8000-000000000001', 1, '2026-11-24 03:10+00', '2026-11-24 03:10+00', 0,
     NULL, 'https://a.example/', 'Mozilla/5.0 (ä)', NULL),
    ('01a20b1a-5bc0-7000-8000-000000000002', 1, '2026-11-24 03:10+00', '2026-11-24 03:10+00', 0,
     NULL, NULL, NULL, NULL),
    ('01a20b1a-5bc0-7000-8000-000000000003', 1, '2026-11-24 03:10+00', '2026-11-24 03:11+00', 2,
     '2026-11-24 03:10:10+00', NULL, NULL, 'KeyError: no link 7');
INSERT INTO dead_letters (message_id, link_id, occurred_at, event, attempts, error_class,
                          error_message, first_failed_at) VALUES
    ('01a20b1a-5cc0-7000-8000-000000000001', 1, '2026-11-24 04:10+00',
     '{"message_id": "01a20b1a-5cc0-7000-8000-000000000001", "link_id": 1,
       "occurred_at": "2026-11-24T04:10:00+00:00", "referrer": null, "user_agent": null}',
     5, 'KeyError', 'no link 7', '2026-11-24 04:10:10+00');

DO $$
BEGIN
    IF to_regclass('dead_letter_actions') IS NOT NULL THEN
        INSERT INTO dead_letter_actions (action, choice, planned, events, reason)
            VALUES ('discard', '{}', 1, 1, 'a reason');
        INSERT INTO dead_letter_action_events (action_id, message_id, link_id, occurred_at, attempts,
                                               fingerprint, error_class, error_message)
            VALUES (1, '01a20b1a-5cc0-7000-8000-000000000002', 1, '2026-11-24 04:10+00', 5,
                    '0123456789ab', 'KeyError', 'no link 8');
    END IF;
    IF to_regclass('api_keys') IS NOT NULL THEN
        INSERT INTO api_keys (user_id, name, secret_hash, scopes)
            VALUES (2, 'a key', sha256('key'), '{stats:read}');
        INSERT INTO setup (secret_hash, expires_at) VALUES (sha256('s'), '2100-01-01 00:00+00');
        INSERT INTO allowances (key, full_at) VALUES (sha256('a'), '2026-11-24 00:00+00');
        INSERT INTO idempotency_keys (user_id, key, request_hash, status, answer)
            VALUES (2, 'again', sha256('r'), 201, '{"code": "live"}');
    END IF;
    IF EXISTS (SELECT FROM pg_attribute
               WHERE attrelid = to_regclass('idempotency_keys') AND attname = 'location') THEN
        UPDATE idempotency_keys SET location = '/api/v1/links/live';
    ELSIF to_regclass('idempotency_keys') IS NOT NULL THEN
        UPDATE idempotency_keys SET headers = '{"Location": "/api/v1/links/live"}';
    END IF;
END $$;
