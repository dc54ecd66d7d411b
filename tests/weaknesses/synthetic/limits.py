"""Synthetic weaknesses and look-alikes: limits."""

from __future__ import annotations

from fact_limits import MIB
from fact_parts import Dict, mount
from weakness import UNSEEN, Edit, Lookalike, load, proc, put, weak

uncounted = put("loads", "swap", "shown", "swap", "limit", to={"unobserved": "ENOENT", "why": "read memory.memsw"})


def tmpfs_at(target: str, fstype: str, super_options: list[str]) -> Edit:
    """Return the edit that adds a writable file system in memory to a sandbox whose memory has no limit."""

    def edit(document: Dict) -> None:
        for view in ("inside", "outside"):
            document[view]["limits"]["memory"]["limit"] = None
            document[view]["process"]["mounts"].append(mount(target, fstype, 90, super_options=super_options))

    return edit


def memory_limited(document: Dict) -> None:
    """Give the sandbox a limit of memory."""
    for view in ("inside", "outside"):
        document[view]["limits"]["memory"]["limit"] = 64 * MIB


def killed_in_shm(memory: int) -> Edit:
    """Return the edit of a load of /dev/shm that is killed before it says how far it came."""

    def edit(document: Dict) -> None:
        one = document["loads"]["shm"]
        nobody = {"unobserved": "", "why": "this load does not measure it"}
        one |= {"ended": "signal SIGKILL", "shm_bytes": nobody, "shm_error": nobody}
        one["shown"]["memory"]["limit"] = memory

    return edit


def started_spared(document: Dict) -> None:
    """Give the host's process and all of the sandbox's the value of a service that the OOM killer spares."""
    for view in ("host", "inside", "outside", "exec"):
        document[view]["process"]["oom_score_adj"] = -500


WEAKNESSES = (
    weak("lim.memory", "not taken", load("memory", "ended", "exit 0"), "it took 62 MiB of 64", verdict="ignored"),
    weak("lim.memory", "too much", load("memory", "steps_mib", 80), "it took 80 MiB of 64", verdict="ignored"),
    weak(
        "lim.memory",
        "one page more",
        put("loads", "memory", "shown", "memory", "limit", to=64 * MIB + 4096),
        "the cgroup shows 67112960 bytes",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "no limit shown",
        put("loads", "memory", "shown", "memory", "limit", to=None),
        "shows no limit",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "a peak above it",
        put("loads", "memory", "after", "memory", "peak", to=65 * MIB),
        "at its peak",
        verdict="ignored",
    ),
    weak(
        "lim.memory",
        "a VM with more",
        load("memory", "inside", 100.0 * MIB),
        "seen inside",
        record="vm",
        verdict="ignored",
    ),
    weak("lim.memory", "refused", load("memory", "refused", "no memory controller"), "no memory", verdict="refused"),
    weak(
        "lim.swap",
        "as much again",
        put("loads", "swap", "shown", "swap", "limit", to=128 * MIB),
        "memory and swap get 134217728 together",
        verdict="ignored",
    ),
    weak(
        "lim.swap",
        "no limit shown",
        put("loads", "swap", "shown", "swap", "limit", to=None),
        "memory and swap get no limit together",
        verdict="ignored",
    ),
    weak("lim.swap", "too much", load("swap", "swap_steps_mib", 80), "it took 80 MiB of 64", verdict="ignored"),
    weak(
        "lim.swap",
        "a kernel that counts no swap",
        lambda d: (uncounted(d), load("swap", "swap_total", 512 * MIB)(d))[0],
        "its kernel counts no swap, of which the host has 512 MiB",
        verdict="ignored",
    ),
    weak("lim.swap", "refused", load("swap", "refused", "no swap limit"), "no swap limit", verdict="refused"),
    weak(
        "lim.cpuset",
        "one more shown",
        put("loads", "cpuset", "shown", "cpuset", to={"limit": 2, "cpus": "0-1"}),
        "its cpuset has 2, 1 processors were asked for",
        verdict="ignored",
    ),
    weak(
        "lim.cpuset",
        "none shown",
        put("loads", "cpuset", "shown", "cpuset", to={"limit": None, "cpus": "0-3"}),
        "its cpuset has no limit, 1 processors",
        verdict="ignored",
    ),
    weak(
        "lim.cpuset",
        "it ran elsewhere",
        load("cpuset", "cpus_used", "0,3"),
        "it ran on processor 3, outside its set 0",
        verdict="ignored",
    ),
    weak("lim.cpuset", "refused", load("cpuset", "refused", "no such set"), "no such set", verdict="refused"),
    weak(
        "lim.shm",
        "twice as large",
        put("loads", "shm", "shown", "shm", "limit", to=16 * MIB),
        "its /dev/shm has 16777216, 8388608 bytes were asked for",
        verdict="ignored",
    ),
    weak(
        "lim.shm",
        "no size",
        put("loads", "shm", "shown", "shm", "limit", to=None),
        "its /dev/shm has no limit",
        verdict="ignored",
    ),
    weak("lim.shm", "too much", load("shm", "shm_bytes", 9 * MIB), "it wrote 9437184 bytes", verdict="ignored"),
    weak("lim.shm", "refused", load("shm", "refused", "no such size"), "no such size", verdict="refused"),
    weak("lim.tmpfs", "a tmpfs without a size", tmpfs_at("/scratch", "tmpfs", ["rw"]), "/scratch: no size"),
    weak("lim.tmpfs", "a ramfs", tmpfs_at("/ram", "ramfs", ["rw"]), "/ram: no size"),
    weak(
        "lim.oom_scope",
        "spared by the OOM killer",
        lambda d: (proc("inside", "oom_score_adj", -500)(d), proc("outside", "oom_score_adj", -500)(d))[0],
        "oom_score_adj=-500: the kernel kills processes of the host",
    ),
    weak(
        "lim.oom_scope",
        "no OOM killer",
        put("outside", "limits", "memory", "oom_kill_disable", to=1),
        "oom_kill_disable=1: at its memory limit its tasks hang",
    ),
    weak("lim.core", "larger", load("core", "core_bytes", 4 * MIB), "a core file of 4194304 bytes", verdict="ignored"),
    weak(
        "lim.core",
        "one byte more shown",
        put("loads", "core", "shown", "core", "limit", to=MIB + 1),
        "its hard limit is 1048577 for a core file",
        verdict="ignored",
    ),
    weak(
        "lim.core",
        "unlimited",
        put("loads", "core", "shown", "core", "limit", to=None),
        "its hard limit is no limit for a core file",
        verdict="ignored",
    ),
    weak("lim.core", "refused", load("core", "refused", "no such ulimit"), "no such", verdict="refused"),
    weak("lim.nproc", "not bound", load("nproc", "user_children", 512), "512 children came up", verdict="ignored"),
    weak("lim.nproc", "one more", load("nproc", "user_children", 256), "256 children came up", verdict="ignored"),
    weak(
        "lim.nproc",
        "one more shown",
        put("loads", "nproc", "shown", "nproc", "limit", to=257),
        "its hard limit is 257 for tasks of its user",
        verdict="ignored",
    ),
    weak("lim.nproc", "refused", load("nproc", "refused", "no such ulimit"), "no such", verdict="refused"),
    weak("lim.cpu", "not throttled", load("cpu", "cpu_us", 7_900_000), "it used 3.95 CPUs of 0.5", verdict="ignored"),
    weak("lim.cpu", "11 % more", load("cpu", "cpu_us", 1_110_000), "it used 0.56 CPUs", verdict="ignored"),
    weak(
        "lim.cpu",
        "no quota shown",
        put("loads", "cpu", "shown", "cpu", "quota_us", to=None),
        "a quota of no limit",
        verdict="ignored",
    ),
    weak("lim.cpu", "a VM with more CPUs", load("cpu", "inside", 4), "4 CPUs are seen", record="vm", verdict="ignored"),
    weak("lim.cpu", "refused", load("cpu", "refused", "no cpu controller"), "no cpu", verdict="refused"),
    weak("lim.pids", "no bound", load("pids", "fork_error", "ok"), "62 children came up", verdict="ignored"),
    weak("lim.pids", "one more", load("pids", "children", 64), "64 children came up", verdict="ignored"),
    weak(
        "lim.pids",
        "one more shown",
        put("loads", "pids", "shown", "pids", "limit", to=65),
        "a limit of 65 tasks",
        verdict="ignored",
    ),
    weak("lim.pids", "refused", load("pids", "refused", "no pids controller"), "no pids", verdict="refused"),
    weak(
        "lim.files", "more opened", load("files", "descriptors", 320), "it opened 320 files of 256", verdict="ignored"
    ),
    weak(
        "lim.files",
        "one more shown",
        put("loads", "files", "shown", "files", "limit", to=257),
        "its hard limit is 257 open files",
        verdict="ignored",
    ),
    weak(
        "lim.files",
        "unlimited",
        put("loads", "files", "shown", "files", "limit", to=None),
        "its hard limit is no limit",
        verdict="ignored",
    ),
    weak("lim.files", "refused", load("files", "refused", "no such ulimit"), "no such", verdict="refused"),
)

LOOKALIKES = (
    Lookalike("a limit in whole pages", "container", load("memory", "limit", float(64 * MIB + 100))),
    Lookalike("the sandbox went with its load", "container", load("memory", "ended", "end of stream")),
    Lookalike("its cgroup went with it", "container", load("memory", "after", dict(UNSEEN))),
    Lookalike("6 % more than the quota", "container", load("cpu", "cpu_us", 1_060_000)),
    Lookalike("a cgroup v1 without counters", "container", put("loads", "pids", "after", "pids", "refusals", to=None)),
    Lookalike(
        "a limit that cannot be set",
        "container",
        put("target", "cannot", to={"limits.memory": "no controller"}),
        (
            ("lim.memory", "not_applicable"),
            ("lim.memory_escape", "not_applicable"),
        ),
    ),
    Lookalike(
        "a host without swap, and a kernel without its counts",
        "container",
        uncounted,
        (("lim.swap", "not_applicable"),),
    ),
    Lookalike("a host with swap", "container", load("swap", "swap_total", 512 * MIB)),
    Lookalike(
        "a host with one processor", "container", load("cpuset", "host_cpus", 1), (("lim.cpuset", "not_applicable"),)
    ),
    Lookalike("a size in whole pages", "container", put("loads", "shm", "shown", "shm", "limit", to=8 * MIB + 4096)),
    Lookalike("a tmpfs with a size", "container", tmpfs_at("/scratch", "tmpfs", ["rw", "size=1024k"])),
    Lookalike(
        "a tmpfs without a size, and a limit of memory",
        "container",
        lambda d: (tmpfs_at("/scratch", "tmpfs", ["rw"])(d), memory_limited(d))[0],
    ),
    Lookalike(
        "cores for a program", "container", load("core", "core_to", "program"), (("lim.core", "not_applicable"),)
    ),
    Lookalike("cores elsewhere", "container", load("core", "core_bytes", 0), (("lim.core", "unknown"),)),
    Lookalike("other tasks of its user", "container", load("nproc", "user_children", 200)),
    Lookalike("another bound on its user", "container", load("nproc", "user_children", 9), (("lim.nproc", "unknown"),)),
    # what cannot tell must not turn green
    Lookalike("a load that ran nowhere", "container", load("cpuset", "cpus_used", ""), (("lim.cpuset", "unknown"),)),
    Lookalike("a memory limit below it", "container", load("shm", "shm_error", "ok"), (("lim.shm", "unknown"),)),
    Lookalike("killed below a larger memory limit", "container", killed_in_shm(64 * MIB), (("lim.shm", "unknown"),)),
    Lookalike("killed at a memory limit as small", "container", killed_in_shm(8 * MIB)),
    Lookalike("full far below", "container", load("shm", "shm_bytes", 2 * MIB), (("lim.shm", "unknown"),)),
    Lookalike(
        "killed far below, on a host with swap",
        "container",
        lambda d: d["loads"]["swap"].update(swap_total=512 * MIB, swap_steps_mib=10),
        (("lim.swap", "unknown"),),
    ),
    Lookalike(
        "a load that came not near, of which the kernel counted no period",
        "container",
        lambda d: (load("cpu", "cpu_us", 100_000)(d), put("loads", "cpu", "after", "cpu", "nr_periods", to=0)(d))[0],
        (("lim.cpu", "unknown"),),
    ),
    Lookalike("a load on a busy host, which left less than its quota", "container", load("cpu", "cpu_us", 100_000)),
    Lookalike(
        "a load on a busy host, which was never throttled",
        "container",
        put("loads", "cpu", "after", "cpu", "nr_throttled", to=0),
    ),
    Lookalike(
        "a load that was never throttled, of which the kernel counted no period",
        "container",
        lambda d: d["loads"]["cpu"]["after"]["cpu"].update(nr_throttled=0, nr_periods=0),
        (("lim.cpu", "unknown"),),
    ),
    Lookalike("a quota above the host's CPUs", "container", load("cpu", "host_cpus", 0), (("lim.cpu", "unknown"),)),
    Lookalike("killed far below", "container", load("memory", "steps_mib", 10), (("lim.memory", "unknown"),)),
    Lookalike(
        "killed by another",
        "container",
        put("loads", "memory", "after", "memory", "oom_kills", to=0),
        (("lim.memory", "unknown"),),
    ),
    Lookalike("a load that timed out", "container", load("memory", "ended", "deadline"), (("lim.memory", "unknown"),)),
    Lookalike("a soft limit below the hard one", "container", put("loads", "files", "shown", "files", "soft", to=64)),
    Lookalike("another bound on files", "container", load("files", "descriptors", 5), (("lim.files", "unknown"),)),
    Lookalike(
        "the host's table of files", "container", load("files", "open_error", "ENFILE"), (("lim.files", "unknown"),)
    ),
    Lookalike(
        "started by a process that is spared",
        "container",
        started_spared,
    ),
    Lookalike("killed as one", "container", put("outside", "limits", "memory", "oom_group", to=1)),
    Lookalike("another bound on forks", "container", load("pids", "children", 5), (("lim.pids", "unknown"),)),
    Lookalike(
        "a listener that was not there",
        "container",
        put("reaches", "none", "control", to="refused"),
        (("net.peer_same", "unknown"),),
    ),
    Lookalike(
        "no canary",
        "container",
        put("inside", "system", "canary", to=None),
        (("sig.outside", "unknown"), ("ptrace.outside", "unknown")),
    ),
)
