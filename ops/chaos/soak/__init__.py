"""A soak: hours of traffic, a fault in each beat, and looks at what must not grow."""
