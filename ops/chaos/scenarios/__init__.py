"""The table of scenarios, in parts: processes, events, the server, the way to it, the machine."""
