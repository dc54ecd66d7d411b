"""Flags of `docker run` and `podman run`, drawn at random, and what their documentation says they make.

draw.py         draws flags from seeds
command.py      the flags as arguments
documented.py   the config.json that the documentation promises for the flags
filters.py      the engines' default seccomp profiles
refusals.py     flags that an engine refuses, by its documentation or on such a host
rules.py        the rules of predict/ that differ for engines
"""
