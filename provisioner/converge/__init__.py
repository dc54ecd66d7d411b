"""Brings a machine to the state that its roles name: read once, compare here, send the difference."""
