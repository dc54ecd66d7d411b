"""Plants for the installed filter: ABIs, sockets, unknown calls and listeners.

A runtime's own profile cannot express some of them: libseccomp kills callers by an ABI that the profile does not name.
For these the runtime starts under filters of the test, which its sandbox inherits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from argument_lists import with_filters
from ground import Ground
from oci_edits import put
from plant import Make, Plant, edits, flags, from_version
from profiles import docker_profile
from programs import ALLOW, ENOSYS, EPERM, EQUAL, LOAD, NOTIFY, RETURN, Rules, assemble, program
from sound.filters import PODMAN, REFUSED, SOCKETS, rule

from plants.engines import profiled

BY_HAND = ("runc", "unshare")
NATIVE = ("x86_64",)
OWN, NEWEST = 9998, 9999  # numbers that no kernel has; the tries use the second


def under(*programs: bytes, listener: int = 0) -> Make:
    """Return the overlay, or the base, that makes the sandbox under these filters."""

    def make(ground: Ground) -> Mapping[str, Any]:
        return {"create": with_filters(ground.runtime.create, *programs, listener=listener)}

    return make


def number(which: int, value: int) -> bytes:
    """Return a program that answers one number, and lets all others pass."""
    return assemble([(LOAD, 0, 0, 0), (EQUAL, 0, 1, which), (RETURN, 0, 0, value), (RETURN, 0, 0, ALLOW)])


def but(*left_out: str, first: Rules | None = None) -> bytes:
    """Return a deny list that lets a runtime work, without some of its rules, or with others before them."""
    return program({**(first or {}), **{call: value for call, value in DENIED.items() if call not in left_out}})


def by_hand(name: str, opens: Mapping[str, str], *programs: bytes) -> Plant:
    """Return the plant of a sandbox that its runtime was started for under these filters."""
    return Plant(f"under a filter {name}", BY_HAND, opens, overlay=under(*programs), base="under a filter")


def _without_sockets(engine: str, more: Mapping[str, str]) -> Plant:
    return Plant(
        "a profile without rules for sockets",
        (engine,),
        {"seccomp.sockets": "opens AF_VSOCK", **more},
        spec=profiled(allowed="socket"),
        base="profile",
    )


# A runtime makes namespaces, mounts and names under its own filter, so that seccomp.dangerous is open in each of these.
NEEDED = {"setdomainname", "sethostname"}
NAMED = [one for one in REFUSED if one.call not in NEEDED and not PODMAN.lets_through(one.call, one.label)]
DENIED = {**{rule(one.label): EPERM for one in NAMED}, **SOCKETS}
HALVES = [program({call: EPERM for call in DENIED if (call < "k") is early} | SOCKETS) for early in (True, False)]
SOCKET_RULES = tuple(rule for rule in SOCKETS if rule != "socketcall")

BASES: dict[tuple[str, str], Make] = {(runtime, "under a filter"): under(but()) for runtime in BY_HAND}

PLANTS = (
    by_hand(
        "for x86_64's numbers alone",
        {"seccomp.abi": "let through by i386's personality"},
        program(SOCKETS),
        program(DENIED, NATIVE, foreign=ALLOW),
    ),
    by_hand("without rules for sockets", {"seccomp.sockets": "opens AF_VSOCK"}, but(*SOCKET_RULES)),
    by_hand(
        "without i386's socketcall",
        {"seccomp.sockets": "AF_VSOCK by i386's socketcall"},
        but("socketcall"),
    ),
    by_hand("of unknown calls", {"seccomp.unknown": "answers EPERM"}, but(), number(NEWEST, EPERM)),
    Plant(
        "a filter's listener for its standard error",
        ("unshare",),
        {"seccomp.notify": "descriptors 2 are listeners"},
        overlay=under(but(), number(OWN, NOTIFY), listener=2),
        base="under a filter",
    ),
    Plant(
        "a filter's listener by --preserve-fds",
        ("runc",),
        {"seccomp.notify": "descriptors 3 are listeners", "fd.inherited": "descriptors 3 ("},
        spec=flags("--preserve-fds", "1"),
        overlay=under(but(), number(OWN, NOTIFY), listener=3),
        base="under a filter",
    ),
    # the runtimes' own profiles
    *from_version(
        "23",  # whose own profile refuses AF_VSOCK: roles/docker/seccomp.yaml
        _without_sockets("docker", {}),
        opens={"seccomp.sockets": "opens AF_VSOCK", "seccomp.dangerous": "AF_VSOCK"},
    ),
    _without_sockets("podman", {"seccomp.dangerous": "socket(NETLINK_AUDIT)"}),
    Plant(
        "a profile without rules for sockets",
        ("runc",),
        {"seccomp.sockets": "opens AF_VSOCK", "seccomp.dangerous": "socket(AF_ALG, AF_VSOCK)"},
        spec=edits(put("linux.seccomp", docker_profile("socket"))),
        base="profile",
    ),
    # look-alikes
    *(
        by_hand(f"that {words}", {}, *programs)
        for words, programs in (
            ("answers ENOSYS", [program(dict.fromkeys(DENIED, ENOSYS))]),
            ("is two, which refuse half each", HALVES),
            ("is two, the newer one of which lets all through", [but(), program({})]),
            (
                "looks at the arguments of clone and socket",
                [but(first={"clone:0=0x10000000": EPERM, "socket:0=39": EPERM})],
            ),
            ("hands a call to a supervisor that nobody has inside", [but(), number(OWN, NOTIFY)]),
        )
    ),
)
