"""Sessions of their own in a home of their own, and what of them is still there.

In: a target and what its session does.  Out: the session's process, and `left()`: every trace that names its home or
its runs, so that other sessions on this machine are never taken for it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fakes import wait_for
from own_folder import delete_folder

from provisioner.images.kernel import guest_kernel
from provisioner.linux.mounts import read_mounts
from provisioner.paths import HOME
from provisioner.probe.build import probe_binary
from provisioner.runtimes.load import load_runtime

ARGS = ("-p", "no:cacheprovider", "-p", "no:testinfra", "-p", "no:randomly", "-c", os.devnull)
UNDER_LOAD = """
import os
from pathlib import Path

def test_under_load(sandbox):
    pending = sandbox.live.channel.start("load", "cpu", "1", "50000", deadline=60)
    Path(os.environ["READY"]).touch()
    sandbox.live.channel.wait(pending)
"""
PROFILE = """
def test_it_answers(sandbox):
    assert sandbox.live.inside().nonce == sandbox.live.nonce
    assert sandbox.namespaces.pid is not None
"""


def below(folder: Path) -> Iterator[Path]:
    """Yield all that is below a folder, while others make and remove theirs beside it."""
    for top, folders, files in os.walk(folder):
        yield from (Path(top, name) for name in (*folders, *files))


class Home:
    """A home for sessions, short enough for sockets and open to the users that sandboxes run as."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.kind = load_runtime(target).kind
        self.path = Path(tempfile.mkdtemp(prefix="isolation-home-"))
        self.path.chmod(0o711)
        self.ids: set[str] = set()
        self.ready = self.path / "ready"
        self.environment = {**os.environ, HOME: str(self.path), "READY": str(self.ready), "COLUMNS": "200"}
        self.environment.pop("PYTEST_ADDOPTS", None)
        self._fill_cache()
        for name, text in (("test_under_load.py", UNDER_LOAD), ("test_it_answers.py", PROFILE)):
            (self.path / name).write_text(text)

    def _fill_cache(self) -> None:
        built = probe_binary().path.parent
        shutil.copytree(built, self.path / "cache" / built.name)
        (self.path / "cache").chmod(0o755)
        if self.kind == "vm":
            kernel = guest_kernel().parent
            shutil.copytree(kernel, self.path / "cache" / kernel.name)

    @contextmanager
    def session(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        """Start pytest on the target; it is ended with the block."""
        argv = [
            *(sys.executable, "-m", "pytest", *ARGS, f"--rootdir={self.path}", f"--isolation={self.kind}"),
            *(f"--isolation-runtime={self.target}", *args),
        ]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.path,
            env=self.environment,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=300)

    def finish(self, process: subprocess.Popen[str], seconds: float = 900.0) -> str:
        """Wait for the session's end; returns what it printed."""
        told: str = process.communicate(timeout=seconds)[0]
        return told

    def await_run(self, process: subprocess.Popen[str]) -> None:
        """Wait until the session has begun its journal, and remember its run."""
        wait_for(lambda: self.note_runs() or process.poll() is not None, 600)
        assert process.poll() is None, process.communicate()[0]

    def await_load(self, process: subprocess.Popen[str]) -> None:
        """Wait until the session's load runs."""
        self.await_run(process)
        wait_for(lambda: self.ready.exists() or process.poll() is not None, 600)
        assert process.poll() is None, process.communicate()[0]

    def note_runs(self) -> bool:
        """Remember the runs whose journals are there now."""
        found = {path.stem for path in (self.path / "run" / "runs").glob("*.jsonl")}
        self.ids |= found
        return bool(found)

    def prune(self) -> str:
        """Run `provisioner prune` in this home; returns what it printed."""
        argv = [sys.executable, "-m", "provisioner", "prune"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> dict[int, str]:
        """Return the processes whose command line, environment or cgroup names this home or one of its runs."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            try:
                told = [(folder / name).read_bytes() for name in ("cmdline", "environ", "cgroup")]
            except OSError:
                continue
            if self._names(b"".join(told).decode("utf-8", "replace")):
                found[int(folder.name)] = told[0].replace(b"\0", b" ").decode()[:200]
        return found

    def left(self) -> list[str]:
        """Return every trace of this home's sessions on this machine."""
        self.note_runs()
        traces = [f"process {pid} {line}" for pid, line in self.processes().items()]
        mounts = list(read_mounts())
        traces += [f"mount {mount.target}" for mount in mounts if self._names(str(mount.target))]
        roots = [mount.target for mount in mounts if mount.fstype.startswith("cgroup")]
        traces += [f"cgroup {path}" for root in roots for path in below(root) if self._names(str(path))]
        netns = Path("/run/netns")
        traces += [f"netns {path.name}" for path in netns.glob("*") if self._names(path.name)]
        traces += [f"link {name}" for name in os.listdir("/sys/class/net") if self._names(name)]
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            with suppress(OSError):  # detached meanwhile
                if self._names(backing.read_text()):
                    traces.append(f"loop device {backing}")
        kept = ("runs", "accelerator.json")
        found = [path for path in below(self.path / "run") if path.name not in kept]
        podman = self.path / "run" / "podman"  # its storage's own, asked of podman below
        traces += [f"file {path}" for path in found if path != podman and podman not in path.parents]
        return traces + self._left_in_runtime()

    def _left_in_runtime(self) -> list[str]:
        """Ask the runtime itself for sandboxes and images of our runs."""
        if self.target.startswith("docker"):
            command = ["docker"]
        elif self.target.startswith("podman") and (self.path / "state" / "podman").exists():
            state = self.path / "state" / "podman"
            run = f"{self.path}/run/podman"
            storage = ["--root", f"{state}/storage{run.replace('/', '-')}", "--runroot", run]
            command = ["podman", *storage, "--cgroup-manager", "cgroupfs"]
        elif self.target in ("runc", "crun") and (self.path / "state" / self.target / "run").exists():
            return [f"container {path.name}" for path in (self.path / "state" / self.target / "run").iterdir()]
        elif self.target.startswith("lxc"):
            told = _lines(["lxc-ls", "--lxcpath", "/.", "--active", "--line"])
            told += [str(path) for path in below(Path("/run/lxc"))]  # its locks
            return [f"lxc {line}" for line in told if self._names(line)]
        else:
            return []
        names = "{{.Names}}", "{{.Repository}}:{{.Tag}}"
        told = _lines([*command, "ps", "--all", "--format", names[0]])
        told += _lines([*command, "images", "--all", "--format", names[1]])
        return [f"{command[0]} {line}" for line in told if self._names(line)]

    def _names(self, text: str) -> bool:
        return str(self.path) in text or any(found in self.ids for found in re.findall(r"[0-9a-f]{8}", text))

    def remove(self) -> None:
        """Take the home away, and end what a failed test left in it."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.prune()
        delete_folder(self.path)


def _lines(argv: list[str]) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
