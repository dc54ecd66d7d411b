"""Plants of probes that lie: a program of the sandbox starts the probe and changes one fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ground import Ground
from oci_edits import bind
from plant import Plant, edits, flags

from provisioner.probe.compilers import compile_static

SOURCE = Path(__file__).resolve().parent.parent / "liar.c"
PLACE = "/run"
RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
# by what a probe lies about: the name of the program, which liar.c knows, and the fact as the check names it
LIES = {
    "no_new_privs": ("liar", "the two views disagree: no_new_privs"),
    "its filter": ("liar-filter", "the two views disagree: seccomp mode"),
    "its user": ("liar-user", "the two views disagree: uid"),
    "a namespace": ("liar-namespace", "the two views disagree: cgroup namespace"),
    "capabilities": ("liar-capabilities", "the two views disagree: inheritable capabilities"),
    "its cgroup": ("liar-cgroup", "the two views disagree: cgroup /isolation_"),
}
OF_ENGINES = ("no_new_privs", "its filter", "its user")
Make = Callable[[Ground], Mapping[str, Any]]


def made(ground: Ground, name: str) -> Path:
    """Compile the program under this name into a folder of the test's own, and return the folder."""
    folder = ground.directory("liar")
    compile_static(f"the {name}", folder / name, [str(SOURCE)])
    return folder


def first(name: str) -> Make:
    """Return the edits of an OCI configuration that let the program start the probe."""

    def edit(config: dict[str, Any]) -> None:
        config["process"]["args"].insert(0, f"{PLACE}/{name}")

    return lambda ground: edits(bind(made(ground, name), PLACE, "ro"), edit)


def entry(name: str) -> Make:
    """Return an engine's flags that do so."""
    return lambda ground: flags("--volume", f"{made(ground, name)}:{PLACE}:ro", "--entrypoint", f"{PLACE}/{name}")


PLANTS = (
    *(
        Plant(f"a probe that lies about {fact}", RUNC, {"view.agree": text}, spec=first(name))
        for fact, (name, text) in LIES.items()
    ),
    *(
        Plant(f"a probe that lies about {fact}", ENGINES, {"view.agree": LIES[fact][1]}, spec=entry(LIES[fact][0]))
        for fact in OF_ENGINES
    ),
    Plant("a program before the probe that passes all on", RUNC, spec=first("honest")),
    Plant("a program before the probe that passes all on", ENGINES, spec=entry("honest")),
)
