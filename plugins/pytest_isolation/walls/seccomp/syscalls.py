"""The ABIs by which a program may call the kernel, and their call numbers (seccomp(2), "arch").

In: syscalls.txt beside this file, which script/syscalls makes from the newest kernel's list.
Out: `Abi`, tables of names, and which calls a kernel is too old to have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).with_name("syscalls.txt")
X32_BIT = 0x40000000
COUNT = 576  # Linux 7.1 has about 470 and x32 ends at 547; a filter must also refuse future calls


@dataclass(frozen=True)
class Abi:
    """One set of call numbers: a filter sees `arch` (linux/audit.h), `first` is the number of call 0."""

    name: str
    arch: int
    first: int = 0

    @property
    def range(self) -> range:
        """The call numbers, as a filter sees them."""
        return range(self.first, self.first + COUNT)


ABIS = {
    abi.name: abi
    for abi in (
        Abi("x86_64", 0xC000003E),
        Abi("i386", 0x40000003),
        Abi("x32", 0xC000003E, X32_BIT),
        Abi("aarch64", 0xC00000B7),
    )
}
# ABIs by the machine name of uname(2): its own first, then others that its kernels may have.
BY_MACHINE = {
    "x86_64": ("x86_64", "i386", "x32"),
    "i686": ("i386",),
    "aarch64": ("aarch64",),
}


@cache
def _column(name: str) -> Mapping[str, str]:
    """Return a column of the table: the text of each call that has one."""
    lines = [line.split() for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    column = lines[0].index(name)
    return MappingProxyType({line[0]: line[column] for line in lines[1:] if line[column] != "-"})


@cache
def call_numbers(abi: str) -> Mapping[str, int]:
    """Return the number of each call by its name, as a filter sees it."""
    first = ABIS[abi].first
    return MappingProxyType({name: first + int(number) for name, number in _column(abi).items()})


@cache
def call_names(abi: str) -> Mapping[int, str]:
    """Return the name of each number."""
    return MappingProxyType({number: name for name, number in call_numbers(abi).items()})


def calls_newer_than(release: str) -> Mapping[str, str]:
    """
    Return the calls that came after a kernel's release, each with the release that brought it.

    A distribution may have added a newer call to an older kernel, so this proves no wall.

    Args:
        release: as uname(2) names it, such as "6.1.0-18-amd64".

    Returns:
        Nothing if the release has no version.
    """
    match = re.match(r"(\d+)\.(\d+)", release)
    if match is None:
        return {}
    running = (int(match[1]), int(match[2]))
    return {name: since for name, since in _column("since").items() if _version(since) > running}


def _version(since: str) -> tuple[int, ...]:
    return tuple(int(part) for part in since.split("."))


def version() -> str:
    """Return the line that names the kernel's list from which the table was made."""
    return TABLE.read_text("utf-8").split("\n", 1)[0].removeprefix("# ")
