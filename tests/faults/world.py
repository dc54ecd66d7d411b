"""What exists on this machine because of a home, by structure: one look, and the difference of two.

In: a Home.  Out: `World`, lines by kind.  Only what names the home, the id of one of its runs, or stands in one of its
journals counts, so that other runs on this machine are never taken for it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults.home import Home
from provisioner.linux.mounts import parse_mountinfo

# What a home keeps for ever: it makes the next run quicker, and every run knows it.
PERMANENT = re.compile(
    r"(run|cache|run/runs|run/accelerator\.json"
    r"|cache/probe-[0-9a-f]{16}(/(probe|sum))?"
    r"|cache/(rootfs|initramfs)-[0-9a-f]{16}(-[0-9a-f]+)?(\.cpio|/.*)?"
    r"|cache/(busybox|kernel-[^/]*|apt|tcc-[^/]*|boxes)(/.*)?"
    r"|cache/(probe|busybox|kernel|box)\.lock"
    r"|cache/\.#rootfs-[0-9a-f]{16}\.lck)"  # nspawn's lock of a root folder: a killed one leaves it, the next takes it
)


@dataclass(frozen=True)
class World:
    """What exists because of a home: one line for each thing, its kind first."""

    lines: frozenset[str]

    @classmethod
    def now(cls, home: Home) -> World:
        """Look at processes, mounts, cgroups, network namespaces, links, loop devices, IPC objects and files."""
        for program in home.programs:
            program.read_journals()
        lines = [f"process {pid} {line}" for pid, line in home.processes().items()]
        for mount in parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape")):
            if home.names(str(mount.target)):
                lines.append(f"mount {mount.target}")
            if mount.fstype.startswith("cgroup"):
                lines += [f"cgroup {path}" for path in _below(mount.target, folders=True) if home.names(str(path))]
        lines += [f"netns {path.name}" for path in Path("/run/netns").glob("*") if home.names(path.name)]
        lines += [f"link {name}" for name in os.listdir("/sys/class/net") if home.names(name)]
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            with suppress(OSError):  # detached meanwhile
                if home.names(backing.read_text()):
                    lines.append(f"loop device {backing}")
        lines += _ipc(home)
        for part in ("run", "cache"):
            top = home.path / part
            for path in _below(top):
                name = f"{part}/{path.relative_to(top)}"
                if not PERMANENT.fullmatch(name):
                    lines.append(f"file {name}")
        return cls(frozenset(lines))


def difference(before: World, after: World) -> list[str]:
    """Return what came and was left, one line each."""
    return sorted(after.lines - before.lines)


def _ipc(home: Home) -> list[str]:
    """Return segments and queues of System V and POSIX that a journal of the home names."""
    keys, names = set(), set()
    for program in home.programs:
        for entry in program.entries.values():
            if entry.get("kind") == "verb" and entry["values"][0] == "delete-canaries":
                keys.add(int(entry["values"][1]))
                names.add(entry["values"][2].lstrip("/"))
    lines = []
    for kind in ("shm", "msg", "sem"):
        rows = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]
        lines += [f"SysV {kind} {row.split()[0]}" for row in rows if int(row.split()[0]) & 0xFFFFFFFF in keys - {0}]
    lines += [f"mqueue {name}" for name in sorted(names - {"-"}) if _is_queue(name)]
    lines += [f"shm file {path.name}" for path in Path("/dev/shm").iterdir() if home.names(path.name)]
    return lines


def _is_queue(name: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    queue = libc.mq_open(f"/{name}".encode(), os.O_RDONLY)  # mq_open(3); it makes none
    if queue < 0:
        return ctypes.get_errno() != errno.ENOENT
    os.close(queue)
    return True


def _below(top: Path, folders: bool = False) -> Iterator[Path]:
    """Yield all that is below a folder, while others make and remove theirs beside it."""
    for folder, below, files in os.walk(top):
        yield from (Path(folder, name) for name in (below if folders else (*below, *files)))
