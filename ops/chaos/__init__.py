"""Breaks things under load, then counts every click: `make chaos` is this.

python -m ops.chaos [--full] [--seed N] [--only NAME[,NAME]] [--list] [--json PATH]
python -m ops.chaos --only SOAK [--seconds N] [--beat N]

A scenario is traffic, faults and what must hold; `catalogue` is the table of them, `drive` plays
one: a database of its own, real processes that a keeper starts again, marked requests at a constant
rate, faults at times that the seed decides, and when all is still the oracle of tests/oracle.
"""
