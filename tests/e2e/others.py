"""Sandboxes that a user made without this project, for tests that attach to them; and all that tells of a change.

In: a runtime's name and a home.  Out: a running `Other`, its state, and `canary`, what a look must leave as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes import wait_for
from own_folder import delete_folder
from residue import Home

from provisioner.facts.document import Facts
from provisioner.images import image
from provisioner.images.busybox import find_shell
from provisioner.linux.mounts import read_mounts
from provisioner.probe.build import probe_binary
from provisioner.sandboxes.attached import cgroup_folders

PAYLOAD = ("/bin/sh", "-c", "echo mine >/tmp/mine || echo mine >/dev/shm/mine; sleep 86400 & wait")
IMAGE = "localhost/isolation-users-own:1"
RLIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc")


@dataclass
class Other:
    """
    One sandbox of a user's.

    Attributes:
        attach: what --isolation-attach names it by.
        pid: of its first process.
        told: asks its runtime for its state.
        stop, pause, resume: what its user may do with it.
        weaker: a check that does not hold when it was made `weak`.
    """

    attach: str
    pid: int
    told: Callable[[], str]
    stop: list[str]
    pause: list[str] = field(default_factory=list)
    resume: list[str] = field(default_factory=list)
    weaker: str = ""


def run(argv: list[str], environment: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """Run a user's command, which must succeed; returns what it printed."""
    done = subprocess.run(argv, capture_output=True, timeout=900, stdin=subprocess.DEVNULL, env=environment, cwd=folder)
    assert done.returncode == 0, (argv, done.stderr.decode())
    return done.stdout.decode()


@contextlib.contextmanager
def other(runtime: str, home: Home, name: str, weak: bool = False) -> Iterator[Other]:
    """Run a sandbox for the time of a block, and take it away as its user would."""
    folder = Path(
        tempfile.mkdtemp(prefix="isolation-users-")
    )  # a user's: not of the home, of which nothing may be left
    folder.chmod(0o711)
    makers = {"docker": _docker, "podman": _podman, "runc": _runc, "lxc": _lxc, "unshare": _bare}
    with makers[runtime](home, folder, name, weak) as made:
        root = Path(f"/proc/{made.pid}/root")
        wait_for(lambda: runtime == "unshare" or any((root / name / "mine").exists() for name in ("tmp", "dev/shm")))
        yield made
    delete_folder(folder)


@contextlib.contextmanager
def _docker(home: Home, folder: Path, name: str, weak: bool) -> Iterator[Other]:
    (folder / "image.tar").write_bytes(image.archive(probe_binary().path, IMAGE, shell=find_shell()))
    run(["docker", "load", "--input", str(folder / "image.tar")])
    more = ["--cap-add", "SYS_ADMIN"] if weak else []
    try:
        run(["docker", "run", "--detach", "--network", "none", "--name", name, *more, IMAGE, *PAYLOAD])
        yield _engine(["docker"], f"docker:{name}", name)
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, timeout=300)
        subprocess.run(["docker", "rmi", IMAGE], capture_output=True, timeout=300)


@contextlib.contextmanager
def _podman(home: Home, folder: Path, name: str, weak: bool) -> Iterator[Other]:
    conf = folder / "storage.conf"
    roots = f'graphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    conf.write_text(f'[storage]\ndriver = "overlay"\n{roots}')
    home.environment["CONTAINERS_STORAGE_CONF"] = os.environ["CONTAINERS_STORAGE_CONF"] = str(conf)
    (folder / "image.tar").write_bytes(image.archive(probe_binary().path, IMAGE, shell=find_shell()))
    more = ["--cap-add", "SYS_ADMIN"] if weak else []
    try:
        run([*PODMAN, "load", "--quiet", "--input", str(folder / "image.tar")])
        create = ["run", "--detach", "--network", "none", *RLIMITS, "--name", name, *more, IMAGE, *PAYLOAD]
        run([*PODMAN, *create])
        yield _engine([*PODMAN], f"podman:{name}", name)
    finally:
        subprocess.run([*PODMAN, "rm", "--force", "--time", "0", name], capture_output=True, timeout=300)
        subprocess.run([*PODMAN, "rmi", IMAGE], capture_output=True, timeout=300)
        del home.environment["CONTAINERS_STORAGE_CONF"], os.environ["CONTAINERS_STORAGE_CONF"]
        subprocess.run(["umount", f"{folder}/root/overlay"], capture_output=True, timeout=300)


def _engine(engine: list[str], attach: str, name: str) -> Other:
    inspect = [*engine, "inspect", name]
    pid = json.loads(run(inspect))[0]["State"]["Pid"]
    return Other(
        attach,
        pid,
        lambda: run(inspect),
        [*engine, "stop", "--time", "0", name],
        [*engine, "pause", name],
        [*engine, "unpause", name],
        "cap.sys_admin",
    )


@contextlib.contextmanager
def _runc(home: Home, folder: Path, name: str, weak: bool) -> Iterator[Other]:
    image.rootfs(probe_binary().path, folder / "rootfs", find_shell())
    run(["runc", "spec", "--bundle", str(folder)])
    file = folder / "config.json"
    config: dict[str, Any] = json.loads(file.read_text())
    config["process"] |= {"terminal": False, "args": list(PAYLOAD)}
    config["linux"]["cgroupsPath"] = f"/isolation-users/{name}"
    if weak:
        for kept in config["process"]["capabilities"].values():
            kept.append("CAP_SYS_ADMIN")
    file.write_text(json.dumps(config))
    runc = ["runc", "--root", str(folder / "state")]
    try:
        # its output must not stay open: the container holds it
        subprocess.run(
            [*runc, "run", "--detach", "--bundle", str(folder), name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=300,
        )
        pid = json.loads(run([*runc, "state", name]))["pid"]
        attach = f"runc:{folder}/state/{name}"
        told = [*runc, "state", name]
        stop, pause, resume = ([*runc, *words] for words in (["kill", name, "KILL"], ["pause", name], ["resume", name]))
        yield Other(attach, pid, lambda: run(told), stop, pause, resume, "cap.sys_admin")
    finally:
        subprocess.run([*runc, "delete", "--force", name], capture_output=True, timeout=300)
        _remove_cgroups("isolation-users")


@contextlib.contextmanager
def _lxc(home: Home, folder: Path, name: str, weak: bool) -> Iterator[Other]:
    image.rootfs(probe_binary().path, folder / "rootfs", find_shell())
    script = folder / "rootfs" / "payload"
    script.write_text(f"#!/bin/sh\n{PAYLOAD[2]}\n")
    script.chmod(0o755)
    lines = [
        "lxc.include = /usr/share/lxc/config/common.conf",
        *(["lxc.cap.drop ="] if weak else []),
        f"lxc.rootfs.path = dir:{folder}/rootfs",
        "lxc.net.0.type = empty",
        "lxc.tty.max = 0",
        "lxc.console.path = none",
        "lxc.init.cmd = /payload",
        f"lxc.cgroup.dir.container = isolation-users/{name}",
        f"lxc.cgroup.dir.monitor = isolation-users/{name}.monitor",
        "lxc.cgroup.dir.monitor.pivot = isolation-users",
    ]
    (folder / "config").write_text("\n".join(lines) + "\n")
    where = ["--lxcpath", str(folder / "lxc"), "--name", name]
    (folder / "lxc").mkdir()
    try:
        subprocess.run(
            ["lxc-start", *where, "--rcfile", str(folder / "config"), "--daemon"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=300,
        )
        told = ["lxc-info", *where, "--state", "--pid"]
        pid = int(run(["lxc-info", *where, "--pid", "--no-humanize"]))
        # its lxc-freeze fails on this host's v1 freezer
        stop = ["lxc-stop", *where, "--kill"]
        yield Other(f"lxc:{folder}/lxc/{name}", pid, lambda: run(told), stop, weaker="cap.bounding")
    finally:
        subprocess.run(["lxc-stop", *where, "--kill"], capture_output=True, timeout=300)
        _remove_cgroups("isolation-users")
        shutil.rmtree(f"/run/lxc/lock{folder}", ignore_errors=True)


@contextlib.contextmanager
def _bare(home: Home, folder: Path, name: str, weak: bool) -> Iterator[Other]:
    argv = ["unshare", "--user", "--map-root-user", "--pid", "--ipc", "--net", "--uts", "--mount", "--fork"]
    with subprocess.Popen([*argv, "--kill-child", "sleep", "86400"], stdin=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: children.read_text().strip())
        pid = int(children.read_text())
        wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        try:
            yield Other(f"pid:{pid}", pid, lambda: Path(f"/proc/{pid}/comm").read_text(), ["kill", "-9", str(pid)])
        finally:
            process.kill()


def _remove_cgroups(name: str) -> None:
    """Remove the cgroups that a runtime left below a name of ours, in every hierarchy."""
    for mount in read_mounts():
        top = mount.target / name
        if mount.fstype.startswith("cgroup") and top.is_dir():
            for path in sorted(top.glob("**/"), key=lambda one: len(one.parts), reverse=True):
                until = time.monotonic() + 5
                while path.exists() and time.monotonic() < until:
                    with contextlib.suppress(OSError):
                        path.rmdir()
                        break
                    time.sleep(0.05)


def canary(one: Other, facts: Facts) -> dict[str, object]:
    """Return all that tells of a change: processes, mounts, files, descriptors, cgroups, and its runtime's words."""
    proc = Path(f"/proc/{one.pid}")
    if one.attach.startswith("pid:"):  # it lives among the host's own cgroups, files and mounts
        return {"processes": _processes(proc), "status": (proc / "cgroup").read_text(), "state": one.told()}
    return {
        "processes": _processes(proc),
        "mounts": (proc / "mountinfo").read_text(),
        "files": _files(proc / "root"),
        "fds": sorted(os.readlink(path) for path in (proc / "fd").iterdir()),
        "cgroups": sorted(str(path) for folder in cgroup_folders(facts, read_mounts()) for path in folder.glob("**/")),
        "state": one.told(),
    }


def _processes(proc: Path) -> list[tuple[str, str, bytes]]:
    namespace = os.readlink(proc / "ns" / "pid")
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and os.readlink(folder / "ns" / "pid") == namespace:
                started = (folder / "stat").read_text().rpartition(")")[2].split()[19]
                found.append((folder.name, started, (folder / "cmdline").read_bytes()))
    return sorted(found)


def _files(root: Path) -> dict[str, tuple[object, ...]]:
    """Return every file but those that kernels make up: what it is, whose, when it was changed, what is in it."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(root):
        if Path(folder) == root:
            folders[:] = [name for name in folders if name not in ("proc", "sys")]
        for name in [*folders, *files]:
            path = Path(folder) / name
            with contextlib.suppress(OSError):
                status = path.lstat()
                plain = path.is_file() and not path.is_symlink() and status.st_size < 1 << 22
                content = hashlib.sha256(path.read_bytes()).hexdigest() if plain else ""
                stamps = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                found[str(path.relative_to(root))] = (*stamps, content)
    return found
