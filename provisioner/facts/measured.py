"""What a bounded load or a try to reach a peer came to, as frozen objects that are archived beside the facts.

In: nothing but values; loads.py makes them, pytest_isolation's record archives them, checks read them.
A field that nobody could see is `Unobserved`, as in facts.py.
"""

from __future__ import annotations

from provisioner.facts.limits import CgroupFiles
from provisioner.observed import Fact, FactMap, Number, Observed, Text


class Load(Observed):
    """
    One limit, asked for and then put under a real, bounded load (CATALOGUE: set = shown = in force).

    Attributes:
        limit: what was asked: bytes, CPUs, or tasks.
        refused: the runtime's own words when it would not create the sandbox with it, else "".
        warning: what the runtime said on its error stream while it created it.
        shown: the cgroup files that rule the sandbox, seen from the host before the load; None for a VM.
        after: the same files after the load.
        inside: the same limit as the sandbox sees it: memory in bytes (MemTotal of a VM, else its cgroup file), CPUs
            online, or tasks.
        ended: how the load ended: "exit N", "signal SIGKILL", "end of stream", or the error frame's text.
        steps_mib: how many MiB the memory load reported before it ended.
        cpu_us, wall_us: processor time the spinners used, and the wall time they ran.
        spinners: how many spun.
        host_cpus: processors that the host has online: a quota at or above them bounds nothing.
        children, fork_error: how many children came up, and the errno's name of the fork that failed ("ok": none).
    """

    limit: float
    refused: Text
    warning: Text
    shown: Fact[CgroupFiles | None]
    after: Fact[CgroupFiles | None]
    inside: Fact[float | None]
    ended: Text
    steps_mib: Fact[Number]
    cpu_us: Fact[Number]
    wall_us: Fact[Number]
    spinners: Fact[Number]
    host_cpus: Fact[Number]
    children: Fact[Number]
    fork_error: Fact[Text]


class Reach(Observed):
    """
    One try to connect to a listener in the peer, with both ends' logs.

    Attributes:
        network: the mode that both sandboxes were created with.
        control: what the peer got when it connected to itself; "connected" proves that the listener was there.
        outcome: what the sandbox got: "connected", "refused", "unreachable", "timeout" or an errno's name.
        token_seen: whether the sandbox read the peer's own token.
        accepted: how many connections the peer's listener logged.
    """

    network: Text
    control: Fact[Text]
    outcome: Fact[Text]
    token_seen: Fact[bool]
    accepted: Fact[Number]


Loads = FactMap[Fact[Load]]
Reaches = FactMap[Fact[Reach]]
