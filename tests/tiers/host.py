"""What lanes must leave as it was on this machine: mounts with their options, settings, and what sandboxes are made of.

Out: `HostState`, a text for each thing, and the lines that tell two of them apart.  Only reads; what this user may not
read is left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Settings that the kernel, or any process, changes all the time.
VOLATILE = re.compile(
    r"fs/(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota/.*)|kernel/(ns_last_pid|random/.*|pty/nr|usermodehelper/.*)"
    r"|kernel/(sched_domain|perf_event_max_sample_rate|bpf_stats_enabled).*|net/ipv[46]/(conf|neigh)/.*"
    r"|net/(netfilter/nf_conntrack_count|ipv[46]/route/flush|ipv4/tcp_fastopen_key)|vm/(drop_caches|compact_memory|stat_refresh)"
)
# Mounts that a tool makes when it is first used, and leaves: ip-netns(8) binds the folder of names to itself, and so
# does podman with its storage's folder (containers/storage, drivers/overlay: MakePrivate).
MADE_ONCE = re.compile(r"mount (/var)?/run/netns|mount /.*/storage[^/]*/overlay")
# Files of the root of a hierarchy that hold for all below it: cgroups.rst of cgroup-v1, cgroup-v2.rst.
CGROUP_FILES = (
    *("cgroup.clone_children", "cgroup.sane_behavior", "cgroup.subtree_control", "notify_on_release", "release_agent"),
    *("memory.use_hierarchy", "cpuset.cpu_exclusive", "cpuset.sched_load_balance"),
)
# Things that others on this machine end at any time: what a lane leaves comes, it does not go.
ENDS = re.compile(r"(process|SysV|key) .*|cgroup /.*/isolation-[^/]*", re.DOTALL)
DEVICES = ("kvm", "fuse", "net/tun", "vhost-vsock", "vhost-net", "null", "zero", "full", "random", "urandom", "tty")


@dataclass(frozen=True)
class HostState:
    """The state of this machine: for each thing, as "mount /sys", how it is."""

    things: Mapping[str, str]

    @classmethod
    def now(cls) -> HostState:
        """Look at everything; takes about a second."""
        looks = (read_mounts, _cgroups, _sysctls, _network, _firewall, _ipc, _processes, _files, _loops, _devices)
        return cls({what: state for look in looks for what, state in look()})

    def get(self, what: str) -> str:
        """Return how a thing is, "absent" if it is not there."""
        return self.things.get(what, "absent")


def differing(before: HostState, after: HostState) -> list[str]:
    """Return the things that are not as they were."""
    every = sorted({*before.things, *after.things})
    different = [what for what in every if before.get(what) != after.get(what)]
    came = [what for what in different if after.get(what) != "absent" or not ENDS.fullmatch(what)]
    return [what for what in came if before.get(what) != "absent" or not MADE_ONCE.fullmatch(what)]


def changes(before: HostState, after: HostState) -> list[str]:
    """Return one line for each thing that is not as it was: "mount /sys was rw, is ro"."""
    return [line(what, before.get(what), after.get(what)) for what in differing(before, after)]


def line(what: str, was: str, now: str) -> str:
    """Return what changed of a thing; of two lists of words only those that differ."""
    if "absent" in (was, now):
        return f"{what} was {was}, is {now}"
    old, new = was.split(), now.split()
    gone, came = [one for one in old if one not in new], [one for one in new if one not in old]
    return f"{what} was {' '.join(gone) or was}, is {' '.join(came) or now}"


def read_mounts(text: str | None = None) -> Iterator[tuple[str, str]]:
    """
    Yield the mounts with root, options, propagation, type and super options (proc_pid_mountinfo(5)).

    Numbers of peer groups are left out: another mount may get them.

    Args:
        text: a mountinfo; default: our own, which lanes share.
    """
    if text is None:
        text = Path("/proc/self/mountinfo").read_text(errors="replace")
    seen: dict[str, int] = {}
    for one in text.splitlines():
        left, _, right = one.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        seen[fields[4]] = count = seen.get(fields[4], 0) + 1
        propagation = [word.partition(":")[0] for word in fields[6:]] or ["private"]
        words = [*fields[5].split(","), *propagation, tail[0], *(f"super:{word}" for word in tail[2].split(","))]
        yield f"mount {fields[4]}{f' ({count})' if count > 1 else ''}", " ".join([*words, f"root:{fields[3]}"])


def _cgroups() -> Iterator[tuple[str, str]]:
    for what, state in list(read_mounts()):
        if " cgroup " in f" {state} " or " cgroup2 " in f" {state} ":
            top = Path(what.removeprefix("mount "))
            for name in CGROUP_FILES:
                yield from _file(f"cgroup setting {top / name}", top / name)
            with suppress(OSError):
                yield from ((f"cgroup {path}", "present") for path in top.iterdir() if path.is_dir())


def _sysctls() -> Iterator[tuple[str, str]]:
    top = Path("/proc/sys")
    for folder, _, files in os.walk(top):
        for name in files:
            path = Path(folder, name)
            if not VOLATILE.fullmatch(str(path.relative_to(top))) and path.lstat().st_mode & 0o444:
                yield from _file(f"sysctl {path.relative_to(top)}", path)


def _network() -> Iterator[tuple[str, str]]:
    for path in _entries("/run/netns"):
        yield f"netns {path.name}", "present"
    for path in _entries("/sys/class/net"):
        yield from _file(f"link {path.name}", path / "flags")
    with suppress(OSError):
        for row in Path("/proc/net/route").read_text().splitlines()[1:]:
            fields = row.split()
            yield f"route {fields[0]} {fields[1]}/{fields[7]}", f"by {fields[2]}"


def _firewall() -> Iterator[tuple[str, str]]:
    for argv in (["iptables-save"], ["ip6tables-save"], ["nft", "list", "ruleset"]):
        if os.geteuid() == 0 and shutil.which(argv[0]):
            with suppress(OSError, subprocess.TimeoutExpired):
                done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
                rules = re.sub(r"^#.*\n|\[\d+:\d+\]|packets \d+ bytes \d+", "", done.stdout, flags=re.MULTILINE)
                yield from ((f"rule of {argv[0]}: {rule.strip()}", "present") for rule in rules.splitlines())


def _ipc() -> Iterator[tuple[str, str]]:
    for kind in ("shm", "msg", "sem"):
        with suppress(OSError):
            for row in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]:
                key, number = row.split()[:2]
                if key != "0":  # IPC_PRIVATE: desktop programs come and go with such segments, and we make none
                    yield f"SysV {kind} {key} {number}", "present"
    with suppress(OSError):
        for row in Path("/proc/keys").read_text().splitlines():
            fields = row.split(maxsplit=8)
            if not fields[8].startswith(("_ses", "_uid", "_tid", "_pid")):  # the kernel deletes those itself
                yield f"key {fields[7]} {fields[8].partition(':')[0]}", "present"


def _processes() -> Iterator[tuple[str, str]]:
    """Yield processes that our programs started, by their cgroup and by the probe; not those beside this program."""
    pids = [folder.name for folder in _entries("/proc") if folder.name.isdigit()]
    parents = {pid: _parent(pid) for pid in pids}
    me = str(os.getpid())
    above = list(_ancestors(me, parents))
    for pid in pids:
        with suppress(OSError):
            words = Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            ours = "/isolation-" in Path("/proc", pid, "cgroup").read_text() or "/probe serve " in words
            if words and ours and not is_beside(list(_ancestors(pid, parents)), above, me):
                yield f"process {pid} {words[:120]}", "present"


def is_beside(ancestors: Collection[str], above: Collection[str], me: str) -> bool:
    """
    Tell whether a process was started by a command that also started this program, and not by this program.

    Args:
        ancestors: of the process, up to process 1.
        above: those of this program.
        me: this program.  What it starts and what outlives its parent becomes a child of process 1.
    """
    return me not in ancestors and not {*ancestors, "1"}.isdisjoint({*above} - {"1"})


def _ancestors(pid: str, parents: Mapping[str, str]) -> Iterator[str]:
    while (pid := parents.get(pid, "0")) != "0":
        yield pid


def _parent(pid: str) -> str:
    with suppress(OSError, ValueError, IndexError):
        # the name may hold spaces and parentheses: proc_pid_stat(5)
        return Path("/proc", pid, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
    return "0"


def _files(top: Path = Path("/etc")) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder; not the copies that passwd's tools keep, whose names end in "-"."""
    for folder, _, files in os.walk(top):
        for name in files:
            path = Path(folder, name)
            if not name.endswith(("-", ".lock")):
                with suppress(OSError):
                    status = path.lstat()
                    data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
                    content = hashlib.sha256(data).hexdigest()[:12]
                    yield f"file {path}", f"mode:{status.st_mode:o} uid:{status.st_uid} gid:{status.st_gid} {content}"


def _loops() -> Iterator[tuple[str, str]]:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        yield from _file(f"loop device {path.parts[3]}", path)


def _devices() -> Iterator[tuple[str, str]]:
    for name in DEVICES:
        with suppress(OSError):
            status = Path("/dev", name).stat()
            yield f"device /dev/{name}", f"mode:{status.st_mode:o} uid:{status.st_uid} gid:{status.st_gid}"


def _file(what: str, path: Path) -> Iterable[tuple[str, str]]:
    try:
        return [(what, path.read_bytes()[:4096].decode(errors="replace").strip().replace("\n", " "))]
    except OSError:
        return []


def _entries(path: str) -> list[Path]:
    try:
        return list(Path(path).iterdir())
    except OSError:
        return []


@dataclass
class Watched:
    """What a lane may have changed: the machine at its start and at its end."""

    name: str
    before: HostState
    after: HostState


def blame(start: HostState, end: HostState, lanes: Iterable[Watched]) -> list[str]:
    """
    Return one line for each change, with the lane that made it.

    Args:
        start: the machine before the lanes ran.
        end: the machine when none of them runs any more.
        lanes: the lanes, each with the machine at its start and its end; of lanes that ran side by side each one that
            saw the change come may have made it.
    """
    lines, ran = [], list(lanes)
    for what in differing(start, end):
        now = end.get(what)
        suspects = [one.name for one in ran if one.before.get(what) != now and one.after.get(what) == now]
        names = " or ".join(dict.fromkeys(suspects or (one.name for one in ran)))
        lines.append(f"lane {names} changed the host: {line(what, start.get(what), now)}")
    return lines
