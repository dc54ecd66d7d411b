"""A user's docker or podman with images of the user's, for tests that start these.

In: a runtime's name and a home.
Out: `UsersEngine`; its images and, for podman, its whole storage are gone after the block.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes import wait_for
from others import PODMAN, RLIMITS, run
from residue import ARGS, Home

from provisioner.files.maker import temporary_folder
from provisioner.runtimes.load import load_runtime

SETTINGS = f"""
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 512
default_capabilities = {json.dumps(load_runtime("podman").capabilities)}
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
Cells = dict[tuple[str, str], dict[str, Any]]


@dataclass
class UsersEngine:
    """
    An engine as its user has it.

    Attributes:
        name: "docker" or "podman".
        words: the program with the options before its verb.
        home: of the sessions; its environment names the engine's storage.
        folder: a folder for archives.
    """

    name: str
    words: list[str]
    home: Home
    folder: Path
    _images: list[str] = field(default_factory=list)

    @property
    def run(self) -> str:
        """The command line up to the user's options."""
        return " ".join([*self.words, "run", *(RLIMITS if self.name == "podman" else ())])

    def load(self, ref: str, archive: bytes) -> str:
        """Put an image into the storage; return its name."""
        path = self.folder / "image.tar"
        path.write_bytes(archive)
        self._images.append(ref)
        run([*self.words, "load", "--quiet", "--input", str(path)], self.home.environment)
        return ref

    def containers(self, image: str) -> str:
        """Return the ids of all containers of an image."""
        asked = [*self.words, "ps", "--all", "--quiet", "--filter", f"ancestor={image}"]
        return run(asked, self.home.environment)

    def images(self) -> list[str]:
        """Return the names of all images, sorted: the engine orders those of one age as it likes."""
        names = run([*self.words, "images", "--format", "{{.Repository}}:{{.Tag}}"], self.home.environment)
        return sorted(names.splitlines())

    def remove_images(self) -> None:
        """Take the images away."""
        for ref in self._images:
            argv = [*self.words, "rmi", "--force", ref]
            subprocess.run(argv, capture_output=True, timeout=300, env=self.home.environment)


@contextlib.contextmanager
def users_engine(name: str, home: Home) -> Iterator[UsersEngine]:
    """Yield a user's engine; podman has a storage of its own."""
    words = ["docker"] if name == "docker" else list(PODMAN)
    with temporary_folder(Path("/tmp")) as folder:
        if name == "podman":
            conf = folder / "storage.conf"
            # podman waits 20 s for a container's end in a folder for its state of more than 50 characters
            roots = f'graphroot = "{folder}/root"\nrunroot = "{home.path}/run-podman"\n'
            conf.write_text(f'[storage]\ndriver = "vfs"\n{roots}')
            settings = folder / "containers.conf"  # a plain `podman run` starts with these; see others.PODMAN
            settings.write_text(SETTINGS)
            home.environment |= {"CONTAINERS_STORAGE_CONF": str(conf), "CONTAINERS_CONF": str(settings)}
        engine = UsersEngine(name, words, home, folder)
        try:
            yield engine
        finally:
            engine.remove_images()


@contextlib.contextmanager
def still_mounts(home: Home) -> Iterator[tuple[str, ...]]:
    """Yield the words that run a command where no mount of the host's other tests comes or goes; root only."""
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "900"]) as holder:
        try:
            mounts = Path(f"/proc/{holder.pid}/ns/mnt")
            wait_for(lambda: mounts.readlink() != Path("/proc/self/ns/mnt").readlink())
            yield ("nsenter", f"--mount={mounts}", f"--wdns={home.path}")
        finally:
            holder.kill()


def session(home: Home, *args: str, within: tuple[str, ...] = ()) -> tuple[subprocess.CompletedProcess[str], Cells]:
    """Run the bundled suite, with words before the command; return the run, and its cells by check and target."""
    done = pytest_run(home, "--isolation-report=report", *args, "--pyargs", "pytest_isolation.suite", within=within)
    file = Path(home.path, "report", "results.json")
    assert file.exists(), done.stdout + done.stderr
    document = json.loads(file.read_text())
    return done, {(cell["check"], cell["target"]): cell for cell in document["cells"]}


def pytest_run(home: Home, *args: str, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run pytest in a home, as a user would, with words before the command."""
    argv = [*within, sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", *args]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=home.path,
        env=home.environment,
        stdin=subprocess.DEVNULL,
    )
