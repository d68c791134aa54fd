"""The relay's statements, one module per table, one function per statement of the same name."""
