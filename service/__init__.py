"""The web process: `python -m service`.

What one redirect promises:

    GET /{code} ──▶ one statement, one transaction, one round trip
                      links   look the code up
                      outbox  insert the click, with a message_id made before the first try
                    COMMIT is on disk
                ◀── 302 Location: the stored target, byte for byte

    unknown code        404, nothing written
    expired, disabled   410, nothing written
    no commit in time   503 + Retry-After, never an unrecorded 302

The relay (`python -m relay`) turns outbox rows into clicks. The two processes agree on
`service.contract` and on nothing else.
"""

__version__ = "0.1.0"
