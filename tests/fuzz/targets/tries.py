"""What the probe prints about tries over the network."""

from __future__ import annotations

from fuzz.inputs import Sample, render_lines
from fuzz.targets import Target
from provisioner.probe.net_spoofs import parse_spoof
from provisioner.probe.net_tries import parse_served, parse_tries

TRY = {"id": "1", "result": "reached", "errno": "", "answer": "far t", "from": "10.0.0.1:80", "ms": 3}
OPENED = {"sockets": [{"socket": "tcp:10.0.0.1:80", "state": "listening", "local": "10.0.0.1:80"}]}
TOKEN = {"proto": "tcp", "local": "10.0.0.1:80", "from": "10.0.0.2:4000", "token": "t"}


def tried() -> tuple[Sample, ...]:
    dropped = TRY | {"id": "2", "result": "dropped", "errno": "ETIMEDOUT", "answer": "", "from": ""}
    return (Sample("tried", [TRY, dropped], render=render_lines),)


def served() -> tuple[Sample, ...]:
    return (Sample("served", [OPENED, TOKEN, TOKEN], render=render_lines),)


def spoofed() -> tuple[Sample, ...]:
    return (Sample("sent", {"result": "ok"}), Sample("refused", {"result": "EPERM"}))


TARGETS = (
    Target("tries", tried, parse_tries),
    Target("served", served, parse_served),
    Target("spoofs", spoofed, parse_spoof),
)
