"""Checks of processes: descriptors, environment, IPC, signals, limits."""
