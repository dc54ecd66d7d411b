"""The environments of test_environments.py: what a machine does not allow, and what a program says then.

An environment is the beginning of a bash script, which sets it up and then runs the command as "$@".  Mounts are made
in a mount namespace of the script, so that the host has none of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.home import Home, provisioner, session

RUN = 'exec "$@"'
NAMELESS = 'exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"'
FILL = "dd if=/dev/zero of=$H/{part}/fill bs=4k status=none 2>/dev/null || true; "
TMPFS = "mkdir -p $H/{part}; mount -t tmpfs -o mode=0711,size={size} none $H/{part}; "
READ_ONLY = "mkdir -p {path}; mount --bind {path} {path}; mount -o remount,bind,ro {path}; "
HOME_HINT = "PYTEST_ISOLATION_HOME"


def isolation(*arguments: str) -> list[str]:
    """Return a command of `isolation`."""
    return [sys.executable, "-m", "pytest_isolation", *arguments]


def _session(*arguments: str) -> Callable[[Path], list[str]]:
    return lambda record: session("unshare", *arguments)


# by name; each gets the path of an archived record
COMMANDS: dict[str, Callable[[Path], Sequence[str]]] = {
    "session": _session(),
    "session-n2": _session("-n", "2"),
    "session-long-name": _session(f"--isolation-report={'r' * 300}"),
    "session-below-file": _session("--isolation-report=test_user.py/report"),
    "session-dev-full": _session("--isolation-report=/dev/full"),
    "checks": lambda record: isolation("checks"),
    "doctor": lambda record: provisioner("doctor"),
    "known": lambda record: isolation("known"),
    "judge": lambda record: isolation("judge", str(record)),
    "judge-report": lambda record: isolation("judge", str(record), "--report=report"),
    "judge-long-name": lambda record: isolation("judge", str(record), f"--report={'r' * 300}"),
    "judge-dev-full": lambda record: isolation("judge", str(record), "--report=/dev/full"),
    "judge-below-file": lambda record: isolation("judge", str(record), "--report=test_user.py/report"),
    "build": lambda record: provisioner("build"),
    "prune": lambda record: provisioner("prune"),
    "status": lambda record: provisioner("status"),
    "plan": lambda record: provisioner("plan"),
    "box-list": lambda record: provisioner("box", "list"),
    "schemas": lambda record: provisioner("schemas", "out"),
    "lab-folder": lambda record: provisioner("status", "--lab", "marks"),
}


@dataclass(frozen=True)
class Row:
    """
    One environment, the commands that are tried in it, and what they promise.

    Args:
        name: of the environment.
        setup: what bash does before it runs "$@".
        commands: keys of COMMANDS.
        says: a text of the line that each command prints; "" for none.
        hint: a text of that line that names the remedy.
        statuses: the exit statuses.
        private: whether the script mounts something.
        last: how the script runs the command.
    """

    name: str
    setup: str
    commands: tuple[str, ...]
    says: str = ""
    hint: str = ""
    statuses: tuple[int, ...] = (1, 4)
    private: bool = False
    last: str = RUN

    def argv(self, command: str, home: Home, record: Path) -> list[str]:
        """Return the whole command line."""
        mounts = ["unshare", "--mount", "--propagation", "private"] if self.private else []
        script = f"H={home.path}; {self.setup}{self.last}"
        return [*mounts, "bash", "-c", script, "bash", *COMMANDS[command](record)]


NO_SPACE = "No space left on device"
FULL_OUTPUT = "cannot write to standard output: No space left on device"
CLOSED_OUTPUT = "cannot write to standard output: it is closed"
PROBE_FITS = "mv $H/cache $H/old; " + TMPFS.format(part="cache", size="900k") + "cp -r $H/old/probe-* $H/cache/; "
NOTHING_FITS = "mv $H/cache $H/old; " + TMPFS.format(part="cache", size="64k")
WORKS = (0, 1)  # 1: `judge` finds that nothing was observed

DISKS = (
    Row(
        "run-full",
        TMPFS.format(part="run", size="1m") + FILL.format(part="run"),
        ("session", "status", "session-n2", "plan"),
        says=NO_SPACE,
        hint=HOME_HINT,
        private=True,
    ),
    Row(
        "cache-full", PROBE_FITS + FILL.format(part="cache"), ("session",), says=NO_SPACE, hint=HOME_HINT, private=True
    ),
    Row(
        "cache-full-without-probe",
        NOTHING_FITS + FILL.format(part="cache"),
        ("build", "session"),
        says=NO_SPACE,
        hint=HOME_HINT,
        private=True,
    ),
    Row(
        "state-full",
        TMPFS.format(part="state", size="64k") + FILL.format(part="state"),
        ("session",),
        statuses=WORKS,
        private=True,
    ),
    Row(
        "report-full",
        TMPFS.format(part="work/report", size="48k"),
        ("session", "judge-report"),
        says="bytes are needed",
        hint="free space there",
        private=True,
    ),
    Row(
        "name-of-300",
        "",
        ("session-long-name", "judge-long-name"),
        says="a name of 300 characters",
        hint="a shorter name",
    ),
    Row("report-is-a-fifo", "mkfifo report; ", ("judge-report", "session"), says="report'"),
    Row("report-is-a-file", "touch report; ", ("session", "judge-report"), says="report'"),
    Row("report-is-dev-full", "", ("judge-dev-full", "session-dev-full"), says="'/dev/full'"),
    Row("report-leads-to-dev-full", "ln -s /dev/full report; ", ("session",), says="report", statuses=(4,)),
    Row("results-is-a-folder", "mkdir -p report/results.json; ", ("session",), says="report", statuses=(4,)),
    Row("facts-is-a-file", "mkdir report; touch report/facts; ", ("session",), says="report", statuses=(4,)),
    Row("report-is-a-dangling-link", "ln -s /nosuch/x report; ", ("session", "judge-report"), says="nosuch"),
    Row(
        "report-below-a-file",
        "",
        ("judge-below-file", "session-below-file"),
        says="Not a directory",
        hint="name another path",
    ),
    Row(
        "cache-read-only",
        "rm -rf $H/cache/rootfs-*; " + READ_ONLY.format(path="$H/cache"),
        ("session",),
        says="Read-only file system",
        hint=HOME_HINT,
        private=True,
    ),
    Row(
        "run-read-only",
        READ_ONLY.format(path="$H/run"),
        ("session", "status"),
        says="Read-only file system",
        hint=HOME_HINT,
        private=True,
    ),
    Row("state-read-only", READ_ONLY.format(path="$H/state"), ("session",), statuses=WORKS, private=True),
    Row(
        "home-read-only",
        READ_ONLY.format(path="$H"),
        ("prune", "session"),
        says="Read-only file system",
        hint=HOME_HINT,
        private=True,
    ),
    Row(
        "work-read-only",
        READ_ONLY.format(path="$H/work") + "cd $H/work; ",
        ("session", "schemas", "judge-report"),
        says="Read-only file system",
        hint="folder",
        private=True,
    ),
    Row(
        "working-folder-removed",
        "mkdir gone; cd gone; rmdir ../gone; ",
        ("status", "plan", "box-list"),
        says="the working folder: it was removed",
        hint="cd",
    ),
    Row("no-tmpdir", "export TMPDIR=/nosuch; ", ("session", "judge", "status"), statuses=WORKS),
    Row("no-home", "unset HOME; ", ("session", "prune", "status"), statuses=WORKS),
    Row(
        "locale-of-ascii",
        "export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 PYTHONIOENCODING=ascii; ",
        ("judge", "session", "known"),
        statuses=WORKS,
    ),
    *(
        Row(name, f"export {variables}; ", ("checks", "session", "judge", "status", "known", "doctor"), statuses=WORKS)
        for name, variables in (
            ("ioencoding-latin-1", "PYTHONIOENCODING=latin-1"),
            ("locale-latin-1", "LC_ALL=en_US.ISO-8859-1 LANG=en_US.ISO-8859-1 PYTHONUTF8=0"),
            ("locale-c", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"),
            ("locale-posix", "LC_ALL=POSIX"),
        )
    ),
    Row(
        "user-without-name-and-home",
        f"chmod 777 .; unset HOME {HOME_HINT} XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR; ",
        ("session", "prune", "status", "build", "box-list"),
        says="cannot find the home of uid 54321",
        hint=HOME_HINT,
        last=NAMELESS,
    ),
    Row(
        "user-without-name-and-home-reads",
        f"unset HOME {HOME_HINT} XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR; ",
        ("checks", "known", "judge", "doctor"),
        statuses=WORKS,
        last=NAMELESS,
    ),
    Row(
        "user-without-name",
        f"mkdir -m 755 $H/own; chown 54321 $H/own; unset HOME; export {HOME_HINT}=$H/own; ",
        ("prune", "status", "build", "session"),
        statuses=(0, 1, 4),  # whether it may make user namespaces depends on the kernel's settings
        last=NAMELESS,
    ),
    Row("lab-is-a-folder", "cd $H; ", ("lab-folder",), says="cannot read"),
)

PROBE = "export PYTEST_ISOLATION_CC=musl-gcc; P=$(echo $H/cache/probe-*/probe); "
PROBES = (
    Row("probe-damaged", PROBE + "truncate -s -1 $P; printf x >>$P; ", ("session",), statuses=(0,)),
    Row("probe-missing", PROBE + "rm $P; ", ("session",), statuses=(0,)),
    Row("probe-not-executable", PROBE + "chmod 644 $P; ", ("session",), statuses=(0,)),
    Row("probe-is-a-folder", PROBE + "rm $P; mkdir $P; ", ("session",), statuses=(0,)),
    Row(
        "cache-noexec",
        PROBE + TMPFS.format(part="cache", size="64m,noexec"),
        ("session",),
        says="mounted noexec",
        hint=HOME_HINT,
        statuses=(4,),
        private=True,
    ),
)

# whether it is enough depends on how many threads run at once
SHORT = ("cannot ", "ulimit -v", (0, 1, 4))
LIMITS = (
    Row("memory-300-mb", "ulimit -v 300000; ", ("session-n2", "session"), *SHORT),
    Row("memory-200-mb", "ulimit -v 200000; ", ("session",), *SHORT),
    Row("memory-120-mb", "ulimit -v 120000; ", ("checks", "judge"), statuses=WORKS),
    Row("files-24", "ulimit -n 24; ", ("session", "session-n2"), says="Too many open files", hint="ulimit -n"),
    Row(
        "file-size-0",
        "exec > >(cat) 2>&1; ulimit -f 0; ",  # cat has no limit
        ("status", "judge-report", "schemas"),
        says="File too large",
        hint="ulimit -f",
        last='"$@"; status=$?; exec >&- 2>&-; wait; exit $status',
    ),
    Row(
        "file-size-16",
        "rm -rf $H/cache/rootfs-*; ulimit -f 16; ",
        ("session",),
        says="File too large",
        hint="ulimit -f",
    ),
)

PRINTING = ("judge", "checks", "prune", "session", "known", "build", "box-list")
STREAMS = (
    Row(
        "output-full",
        "exec >/dev/full; ",
        PRINTING,
        says=FULL_OUTPUT,
        hint="free space there",
    ),
    Row(
        "output-closed",
        "exec >&-; ",
        PRINTING,
        says=CLOSED_OUTPUT,
        hint="send it elsewhere",
    ),
    Row("all-full", "exec >/dev/full 2>&1; ", ("session", "checks", "judge")),
    Row("all-closed", "exec <&- >&- 2>&-; ", ("prune", "checks", "session")),
    Row("errors-closed", "exec 2>&-; ", ("session", "checks"), statuses=WORKS),
    Row("errors-full", "exec 2>/dev/full; ", ("checks", "session"), statuses=WORKS),
    Row("input-closed", "exec <&-; ", ("session", "judge"), statuses=WORKS),
    Row(
        "reader-ends",
        "",
        ("judge", "session", "checks"),
        last='"$@" | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}',
        statuses=(0, 1, 4),  # the pipe may hold all of it
    ),
)

ROWS = (*DISKS, *PROBES, *LIMITS, *STREAMS)
# What a push tries with the first command: one of each kind.
NARROW = (
    *("run-full", "report-full", "cache-read-only", "working-folder-removed", "files-24", "output-full"),
    "errors-closed",
)
