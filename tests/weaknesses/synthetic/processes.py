"""Synthetic weaknesses and look-alikes: processes."""

from __future__ import annotations

from weakness import UNSEEN, Lookalike, add, put, weak

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
    *(
        weak(
            "sig.peer",
            f"kill reaches the peer by its {name}",
            lambda d, at=at: d["inside"]["system"]["peers"][at].update(signal="ok", same=True),
            f"which it sees as {number}",
        )
        for at, name, number in ((0, "number on the host", 5252), (1, "number in the namespace of both", 1))
    ),
    weak(
        "sig.peer",
        "no peer was named",
        put("inside", "system", "peers", to=None),
        "the probe got no process of the peer",
        "ptrace.outside",
        verdict="unknown",
    ),
    weak(
        "sig.peer",
        "nobody can tell which process it is",
        put("inside", "system", "peers", 1, "same", to=UNSEEN),
        "could not be observed",
        verdict="unknown",
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
    Lookalike(
        "the peer's uid protects it",
        "container",
        lambda d: d["inside"]["system"]["peers"][0].update(signal="EPERM", same=True),
    ),
    Lookalike(
        "another process of the peer's number", "container", put("inside", "system", "peers", 0, "signal", to="ok")
    ),
    Lookalike(
        "files of another process of the peer's number",
        "container",
        lambda d: d["inside"]["system"]["peers"][0].update(environ="ok", maps="ok"),
    ),
)
