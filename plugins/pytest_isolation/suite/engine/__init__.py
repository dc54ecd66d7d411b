"""Checks of the engine that makes sandboxes, and of the management plane around it."""
