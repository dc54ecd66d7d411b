"""Tells for which machine a program was built, from its ELF header (elf(5)).

In: a path.  Out: the name that uname(2) has for the machine, or one line of why it cannot be used.
"""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import IsolationError

ELF_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def probe_architecture(path: Path) -> str:
    """
    Read for which machine an executable was built, from its ELF header (elf(5)).

    Returns:
        The name that uname(2) has for it: "x86_64", "aarch64", …

    Raises:
        IsolationError: it cannot be read, or is no ELF file.
    """
    try:
        with path.open("rb") as file:
            header = file.read(20)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        raise IsolationError(f"cannot use '{path}': not an ELF executable", hint="the probe is a static program")
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return ELF_MACHINES.get(number, f"machine {number}")


def check_architecture(probe: Path, machine: str) -> None:
    """Raise IsolationError when the probe was built for another machine than `machine` (a name of uname(2))."""
    if (found := probe_architecture(probe)) != machine:
        raise IsolationError(
            f"cannot use '{probe}': built for {found}, needed is {machine}",
            hint=f"build the probe for {machine}",
        )
