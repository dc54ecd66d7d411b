"""Puts limits under real, bounded loads, and tries to reach a peer: set = shown = in force.

In: a way to create sandboxes of one target.  Out: `Load`s and `Reach`es (measured.py), failures included as values.
Called by pytest_isolation's pool, only for checks that act.  Every load is bounded by its verb in amount and time.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts import limits as f
from provisioner.facts.document import Facts
from provisioner.facts.measured import Load, Reach
from provisioner.limits.limits import Limits
from provisioner.observed import unobserved
from provisioner.probe.channel import ChannelError, Reply
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import RefusedError, Spec

Create = Callable[[Spec], Sandbox]

MEMORY = 64 << 20
CPUS = 0.25  # little enough to be reached beside others: without a weight of its own a busy host gives it no more
PIDS = 32
OVERLOAD = 1.25
SPINNERS = 2
SPIN_MS = 2000  # twenty periods of the default 100 ms (cgroup-v2.rst, cpu.max)
SPIN_TRIES = 5
PRESSED = 0.85  # of its quota: a load that used less was starved by others
SPARE = 0.5  # processors left to everything else while loads run
MAX_CHILDREN = 4096
PORT = 47261
LISTEN_MS = 60000  # it is ended when both have tried


class _Processors:
    """Hands out the host's processors to loads that run side by side in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0.0

    @contextlib.contextmanager
    def taken(self, wanted: float, host_cpus: int) -> Iterator[None]:
        """Wait until `wanted` of the processors are free; half of one is left to everything else."""
        wanted = min(wanted, host_cpus - SPARE) if host_cpus > 1 else wanted
        with self._changed:
            while self._taken and self._taken + wanted > host_cpus - SPARE:
                self._changed.wait()
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()


_processors = _Processors()


def limits_for(runtime: Runtime) -> Limits:
    """Return the limits that this runtime is measured with: the defaults here, raised to what it can tell apart."""
    steps = {name: how.step or 0 for name, how in runtime.limits.items()}
    return Limits(
        memory=max(MEMORY, int(steps["memory"])) if "memory" in steps else None,
        cpus=max(CPUS, steps["cpu"]) if "cpu" in steps else None,
        pids=PIDS if "pids" in steps else None,
    )


def measure_loads(create: Create, runtime: Runtime, host_cpus: int, **replaced: Any) -> dict[str, Load]:
    """
    Measure every limit that the runtime has, in one sandbox that has them all.

    When the runtime refuses them together, each is asked for alone, so that one refusal hides no other limit.

    Args:
        create: makes a sandbox of the target.
        runtime: whose limits are asked for.
        host_cpus: processors online on the host.
        replaced: fields of Spec that differ (weaknesses plant theirs here).
    """
    wanted = limits_for(runtime)
    parts = {
        "memory": Limits(memory=wanted.memory),
        "cpu": Limits(cpus=wanted.cpus),
        "pids": Limits(pids=wanted.pids),
    }
    parts = {name: part for name, part in parts.items() if part != Limits()}
    if not parts:
        return {}
    try:
        with create(Spec(**{"limits": wanted, **replaced})) as sandbox:
            return {name: _guarded(sandbox, name, wanted, host_cpus) for name in parts}
    except RefusedError:
        return {name: _alone(create, name, part, host_cpus, replaced) for name, part in parts.items()}


def _alone(create: Create, name: str, limits: Limits, cpus: int, replaced: Mapping[str, Any]) -> Load:
    try:
        with create(Spec(**{"limits": limits, **replaced})) as sandbox:
            return _guarded(sandbox, name, limits, cpus)
    except RefusedError as error:
        return _load(limit=_amount(name, limits), refused=error.what, host_cpus=cpus)
    except IsolationError as error:
        return unobserved(str(error))


def _guarded(sandbox: Sandbox, name: str, limits: Limits, host_cpus: int) -> Load:
    try:
        return _MEASURES[name](sandbox, limits, host_cpus)
    except IsolationError as error:
        return unobserved(str(error))


def _amount(name: str, limits: Limits) -> float:
    return float({"memory": limits.memory, "cpu": limits.cpus, "pids": limits.pids}[name] or 0)


def _load(**known: Any) -> Load:
    """Build a Load; what was not observed says so."""
    missing = unobserved("this load does not measure it")
    fields: dict[str, Any] = dict.fromkeys(Load.model_fields, missing)
    return Load.model_construct(**{**fields, "warning": "", "refused": "", "ended": "not run", **known})


def _views(sandbox: Sandbox) -> dict[str, Any]:
    outside = sandbox.outside()
    return {"shown": outside.limits if outside else None, "warning": sandbox.warning}


def _after(sandbox: Sandbox) -> f.CgroupFiles | None:
    """Read the counters once more; the sandbox's own cgroup may have gone with it."""
    try:
        outside = sandbox.outside()
    except IsolationError as error:
        return unobserved(str(error))
    return outside.limits if outside else None


def _run(sandbox: Sandbox, *argv: str) -> Reply:
    """Run a load; that the whole sandbox ends under it is one of its normal ends."""
    pending = sandbox.channel.start(*argv, deadline=deadline("load"), bound=1 << 20)
    try:
        return sandbox.channel.wait(pending)
    except ChannelError:
        return Reply("end of stream", bytes(pending.data), bytes(pending.log))


def _measure_memory(sandbox: Sandbox, limits: Limits, host_cpus: int) -> Load:
    assert limits.memory is not None
    views = _views(sandbox)
    seen = sandbox.inside()
    reply = _run(sandbox, "load", "memory", str(int(limits.memory * OVERLOAD)))
    steps = re.findall(rb"^step (\d+)$", reply.data, re.MULTILINE)
    return _load(
        limit=float(limits.memory),
        inside=_seen_memory(seen),
        ended=_ended(reply),
        steps_mib=int(steps[-1]) if steps else 0,
        after=_after(sandbox),
        host_cpus=host_cpus,
        **views,
    )


def _seen_memory(facts: Facts) -> Any:
    own = facts.limits.raw("memory")
    limit = own.raw("limit") if isinstance(own, f.MemoryLimit) else None
    if isinstance(limit, int):
        return float(limit)
    total = facts.system.raw("memory_total") if facts.system else None
    return float(total) if isinstance(total, int) else total


def _measure_cpu(sandbox: Sandbox, limits: Limits, host_cpus: int) -> Load:
    assert limits.cpus is not None
    views = _views(sandbox)
    seen = sandbox.inside()
    spinners = max(SPINNERS, host_cpus)
    measured: dict[str, int] = {}
    after: f.CgroupFiles | None = None
    for attempt in range(SPIN_TRIES):
        # a load that other work starves says nothing of its quota: it is repeated, with no other load of ours beside it
        with _processors.taken(limits.cpus if attempt == 0 else float(host_cpus), host_cpus):
            reply = _run(sandbox, "load", "cpu", str(spinners), str(SPIN_MS))
        told = re.search(rb"cpu_us (\d+) wall_us (\d+)", reply.data)
        measured = {"cpu_us": int(told[1]), "wall_us": int(told[2])} if told else {}
        after = _after(sandbox)
        if not measured or not _starved(measured["cpu_us"] / measured["wall_us"], limits.cpus, views["shown"], after):
            break
    cpus = seen.system.raw("cpus") if seen.system else None
    return _load(
        limit=limits.cpus,
        inside=float(cpus) if isinstance(cpus, int) else cpus,
        ended=_ended(reply),
        spinners=spinners,
        after=after,
        host_cpus=host_cpus,
        **measured,
        **views,
    )


def _starved(used: float, quota: float, before: f.CgroupFiles | None, after: f.CgroupFiles | None) -> bool:
    """Tell whether a load was held by others: it used less than its quota, or about that and was never throttled."""
    if used < PRESSED * quota:
        return True
    groups = [limits.raw("cpu") for limits in (before, after) if isinstance(limits, f.CgroupFiles)]
    counts = [group.raw("nr_throttled") for group in groups if isinstance(group, f.CpuLimit)]
    return used < OVERLOAD * quota and len(counts) == 2 and counts[0] == counts[1]


def _measure_pids(sandbox: Sandbox, limits: Limits, host_cpus: int) -> Load:
    assert limits.pids is not None
    views = _views(sandbox)
    reply = _run(sandbox, "load", "pids", str(min(limits.pids * 2, MAX_CHILDREN)))
    told = re.search(rb"children (\d+) errno (\w+)", reply.data)
    measured = {"children": int(told[1]), "fork_error": told[2].decode()} if told else {}
    return _load(
        limit=float(limits.pids),
        inside=None,
        ended=_ended(reply),
        after=_after(sandbox),
        host_cpus=host_cpus,
        **measured,
        **views,
    )


_MEASURES: dict[str, Callable[[Sandbox, Limits, int], Load]] = {
    "memory": _measure_memory,
    "cpu": _measure_cpu,
    "pids": _measure_pids,
}


def _ended(reply: Reply) -> str:
    return reply.ended.replace("signal 9", "signal SIGKILL")


def measure_reach(sandbox: Sandbox, peer: Sandbox, network: str) -> Reach:
    """
    Try to reach a listener of the peer on its own loopback, and the peer itself as the control.

    A listener that the peer itself cannot reach proves nothing: `control` says so.
    """
    token = secrets.token_hex(8)
    listening = peer.channel.start("net", "listen", str(PORT), token, str(LISTEN_MS), deadline=deadline("load"))
    missing = unobserved("the peer could not listen")
    try:
        ready = peer.channel.wait(listening, until=lambda pending: b"listening" in pending.data)
        if b"listening" not in ready.data:
            return Reach(network=network, control=missing, outcome=missing, token_seen=missing, accepted=missing)
        control = _connect(peer)
        outcome = _connect(sandbox)
        logged = peer.channel.wait(listening, until=lambda pending: True)
    finally:
        if peer.alive:
            peer.channel.cancel(listening)
    return Reach(
        network=network,
        control=control.split(" ")[0],
        outcome=outcome.split(" ")[0],
        token_seen=token in outcome,
        accepted=logged.data.count(b"accepted"),
    )


def _connect(sandbox: Sandbox) -> str:
    reply = sandbox.request("net", "connect", "127.0.0.1", str(PORT), "1000")
    return reply.data.decode("utf-8", "backslashreplace").strip()[:200] or reply.ended
