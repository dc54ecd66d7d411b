"""Synthetic weaknesses and look-alikes: processes."""

from __future__ import annotations

from weakness import Lookalike, add, put, weak

WEAKNESSES = (
    weak(
        "fd.inherited",
        "--preserve-fds",
        add("inside", "process", "fds", item={"fd": 9, "target": "/etc"}),
        "descriptors 9 (/etc)",
    ),
    weak(
        "sig.outside",
        "kill reaches the canary",
        lambda d: d["inside"]["system"]["canary"].update(signal="ok", same=True),
        "signal the host's process 3999",
    ),
)

LOOKALIKES = (
    Lookalike(
        "another process of the canary's number", "container", put("inside", "system", "canary", "signal", to="ok")
    ),
    Lookalike(
        "the canary's uid protects it",
        "container",
        lambda d: d["inside"]["system"]["canary"].update(signal="EPERM", same=True),
    ),
)
