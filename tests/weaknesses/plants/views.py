"""Plants of probes that lie: a program of the sandbox starts the probe and changes one fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ground import Ground, bind
from plant import Plant, edits, flags, opened

from provisioner.probe.compilers import compile_static

SOURCE = Path(__file__).resolve().parent.parent / "liar.c"
PLACE = "/run"
LIES = {"view.agree": "the two views disagree: no_new_privs"}
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


PLANTS = tuple(
    Plant(title, runtimes, opens, also=opened(*also) if opens else {}, spec=make(name))
    # an engine's exec has no_new_privs off too, and the lie is about the first process
    for runtimes, make, also in ((("runc", "crun"), first, ()), (("docker", "podman"), entry, ("proc.exec_parity",)))
    for title, name, opens in (
        ("a probe that lies about no_new_privs", "liar", LIES),
        ("a program before the probe that passes all on", "honest", {}),
    )
)
