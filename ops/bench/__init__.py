"""Measures redirects and relay on this machine: `make bench` is this.

python -m ops.bench [--only NAME[,NAME]] [--rounds N] [--seconds S] [--long] [--json PATH] [--list]

What makes the figures fair:

* Each stands beside a reference measured in the same run, on the same Postgres, the two taking
  turns (A B A B …). The ratio is taken round by round; its median is told, with least and greatest.
* The Postgres is an embedded one of the run's own with its settings as they ship: every commit is
  flushed to disk. Where the disk's flush is not real, no figure here is; its latency is measured.
* Every measurement begins with empty tables and after a checkpoint, so none pays for another.
* After each one the rows in the database are counted. Fewer than were acknowledged, and the run
  fails: a fast redirector that loses clicks is not what is measured here.
* Load generator, server and Postgres share the machine, as they do for the reference.
"""
