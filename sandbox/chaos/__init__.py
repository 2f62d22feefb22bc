"""Chaos as a command: the stack under faults, outages, kills, copies and clocks that differ, and what must hold all the same."""
