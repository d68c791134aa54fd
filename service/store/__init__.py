"""What the service keeps: one module per table, one function per statement, rows as dataclasses."""
