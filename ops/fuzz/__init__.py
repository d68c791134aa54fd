"""Sends the service what nobody should, a hundred thousand times, and looks how it answers."""
