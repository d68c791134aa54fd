"""What `python -m service` can do, one module per noun; `commands` is all of it."""
