"""What `python -m relay` can do, one module per noun; `commands` is all of it."""
