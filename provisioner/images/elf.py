"""Tells for which architecture a program was built, from its ELF header (elf(5))."""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import IsolationError

ELF_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}


def probe_architecture(path: Path) -> str:
    """
    Return the architecture for which an executable was built.

    Returns:
        The machine's name as uname(2) has it: "x86_64", "aarch64", …

    Raises:
        IsolationError: the file cannot be read, or is not an ELF file.
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
    """Raise IsolationError if the probe was built for another machine than `machine` (a name of uname(2))."""
    if (found := probe_architecture(probe)) != machine:
        raise IsolationError(
            f"cannot use '{probe}': built for {found}, not for {machine}",
            hint=f"build the probe for {machine}",
        )
