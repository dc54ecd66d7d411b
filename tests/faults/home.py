"""A home of its own for a program: folders, tests of a user, and stand-ins for programs on PATH.

Out: processes that carry the home in their environment, so that all they start is found and other runs on this machine
are never taken for it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from own_folder import delete_folder

from faults.running import Running
from provisioner.images.image import rootfs
from provisioner.images.kernel import guest_kernel
from provisioner.paths import HOME
from provisioner.probe.build import probe_binary

Act = Literal["hang", "slow"]
# What a stand-in does, after it noted that it was reached.  `hang` ignores signals and has a child of its own, as a
# runtime does that waits for a dead daemon; `slow` goes on after five seconds.
ACTS: dict[Act, str] = {
    "hang": "trap '' INT TERM HUP; sleep 3600; exit 1",
    "slow": "sleep 5",
}
STAND_IN = """#!/bin/sh
# {program}: what holds the words below does not work, all else is the real one
if [ ! -e {marks}/released ]; then
  case " $* " in *"{words}"*) echo $$ >>{marks}/{program}; {act} ;; esac
fi
exec {real} "$@"
"""
# what pytest tells its own tests: a session of a worker's test is no worker
OURS = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST", "DOCKER_HOST")
# a shell's background, and nohup, let programs ignore signals: POSIX sh, "Asynchronous Lists"
DEFAULTS = ("env", "--default-signal=INT,HUP,TERM")
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:testinfra", "-p", "no:randomly", "-c", os.devnull)


def session(runtime: str, *arguments: str, kind: str = "container") -> list[str]:
    """Return the command of a pytest session on a runtime; it runs the tests that `write_test` wrote."""
    argv = [sys.executable, "-m", "pytest", *PLUGINS, "-v", f"--isolation={kind}", f"--isolation-runtime={runtime}"]
    return [*argv, "--rootdir=.", "--isolation-report=report", *arguments, "test_user.py"]


def provisioner(*arguments: str) -> list[str]:
    """Return a command of the provisioner."""
    return [sys.executable, "-m", "provisioner", *arguments]


class Home:
    """
    A home for programs.  Close it.

    Args:
        built: whether the probe and the root folder are there already; else a program builds them.

    Attributes:
        path: the home; short enough for sockets, and open to the users that sandboxes run as.
        work: the working folder, with the test of the user and the report.
        marks: where stand-ins and tests note that they were reached.
        environment: the environment of all that is started.
    """

    def __init__(self, built: bool = True) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="isolation-fault-"))
        self.path.chmod(0o711)
        self.work, self.marks, self._bin = (self.path / name for name in ("work", "marks", "bin"))
        for folder, mode in ((self.work, 0o755), (self.marks, 0o777), (self._bin, 0o755)):
            folder.mkdir()
            folder.chmod(mode)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            HOME: str(self.path),
            "MARKS": str(self.marks),
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "COLUMNS": "200",
        }
        self.pruned = False
        self.ids: set[str] = set()
        self.programs: list[Running] = []
        if built:
            self._fill_cache()

    def _fill_cache(self) -> None:
        """Put the probe of this checkout into the cache, and its root folder: no run has to build them."""
        probe = probe_binary()
        folder = self.path / "cache" / probe.path.parent.name
        shutil.copytree(probe.path.parent, folder)
        (self.path / "cache").chmod(0o755)
        rootfs(probe.path, self.path / "cache" / f"rootfs-{probe.hash}")

    def add_kernel(self) -> None:
        """Put the kernel of micro VMs into the cache."""
        kernel = guest_kernel().parent
        shutil.copytree(kernel, self.path / "cache" / kernel.name)

    def write_test(self, text: str, conftest: str = "") -> None:
        """Write the test of a user, and a conftest.py."""
        (self.work / "test_user.py").write_text(text)
        if conftest:
            (self.work / "conftest.py").write_text(conftest)

    def stand_in(self, program: str, words: str, act: Act) -> None:
        """
        Put a stand-in for a program on PATH.

        Args:
            program: its name, such as "runc".
            words: part of a command line, words parted by one space: " delete ".  Calls with it meet the stand-in.
            act: what the stand-in does; all other calls run the real program.
        """
        path, real = self._bin / program, shutil.which(program)
        assert real is not None, f"{program} is not installed"
        path.write_text(
            STAND_IN.format(program=program, words=words, act=ACTS[act], marks=self.marks, real=real), "utf-8"
        )
        path.chmod(0o755)

    def reached(self, name: str) -> bool:
        """Return whether a stand-in, or a test that touched $MARKS/NAME, was reached."""
        return (self.marks / name).exists()

    def mark(self, name: str) -> None:
        """Touch $MARKS/NAME, for which a test or a stand-in waits."""
        (self.marks / name).touch()

    def release(self) -> None:
        """Let the stand-ins be the real programs from now on."""
        self.mark("released")

    def plant_journal(self, entries: Sequence[Mapping[str, object]], run: str = "") -> Path:
        """
        Write the journal of a run that is dead; returns its file.

        Args:
            entries: what the run made.
            run: the run's id; default: a random one, for prune ends every process that names it.
        """
        import json

        from provisioner.linux.processes import boot_id

        folder = self.path / "run" / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        folder.parent.chmod(0o711)
        folder.chmod(0o700)
        owner = {"owner": 0, "start": 0, "boot": boot_id()}
        lines = [owner, *({"made": number, **entry} for number, entry in enumerate(entries, 1))]
        file = folder / f"{run or secrets.token_hex(4)}.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        file.chmod(0o600)
        return file

    @contextmanager
    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[Running]:
        """
        Start a program in the home; it is killed with the block if it has not ended.

        Args:
            argv: `session(…)`, `provisioner(…)` or any argument list.
            env: variables added to the environment.
        """
        output = self.path / f"output-{len(self.programs)}"
        running = Running([*DEFAULTS, *argv], self.work, {**self.environment, **(env or {})}, output, self)
        self.programs.append(running)
        try:
            yield running
        finally:
            running.kill()

    def prune(self, seconds: float = 60.0) -> str:
        """Run `provisioner prune` in this home; returns what it printed."""
        argv = provisioner("prune")
        done = subprocess.run(
            argv, cwd=self.work, capture_output=True, text=True, timeout=seconds, env=self.environment
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.pruned = True
        return done.stdout

    def processes(self) -> dict[int, str]:
        """Return the processes whose command line, environment or cgroup names this home or one of its runs."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            with suppress(OSError):
                told = [(folder / name).read_bytes() for name in ("cmdline", "environ", "cgroup")]
                state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
                if state not in "ZX" and self.names(b"".join(told).decode("utf-8", "replace")):
                    found[int(folder.name)] = told[0].replace(b"\0", b" ").decode(errors="replace")[:200]
        return found

    def names(self, text: str) -> bool:
        """Return whether a text holds this home or the id of one of its runs."""
        return str(self.path) in text or any(one in text for one in self.ids)

    def close(self) -> None:
        """End all that is left of the home, and delete it."""
        self.release()
        for program in self.programs:
            program.kill()
        for _ in range(3):
            for pid in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if not self.pruned or any((self.path / "run" / "runs").glob("*.jsonl")):
            with suppress(AssertionError, subprocess.TimeoutExpired):
                self.prune(120)
        delete_folder(self.path)
