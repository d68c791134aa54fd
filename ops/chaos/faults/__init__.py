"""The kinds of faults, a module for each thing that breaks."""
