"""Synthetic weaknesses and look-alikes: limits."""

from __future__ import annotations

from fact_limits import MIB
from weakness import UNSEEN, Lookalike, load, put, weak

uncounted = put("loads", "swap", "shown", "swap", "limit", to={"unobserved": "ENOENT", "why": "read memory.memsw"})

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
        (("lim.memory", "not_applicable"),),
    ),
    Lookalike(
        "a host without swap, and a kernel without its counts",
        "container",
        uncounted,
        (("lim.swap", "not_applicable"),),
    ),
    Lookalike("a host with swap", "container", load("swap", "swap_total", 512 * MIB)),
    # what cannot tell must not turn green
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
