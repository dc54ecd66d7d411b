"""Sets limits by cgroups of our own, for runtimes that set none: unshare, bubblewrap, nspawn.

In: a run's id, a name and what to write.  Out: `Cgroups`: the folders that the sandbox's process joins before it starts
(`probe launch --cgroup DIR`).  Mount points are read, not assumed.  No foreign cgroup is written, with one exception:
on v2 a controller may be enabled for the children of the cgroup in which ours are made, and disabled again.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from provisioner.errors import IsolationError, unless_root
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.linux.mounts import MountPoint, read_mounts
from provisioner.linux.processes import kill_all, read_process

Mode = Literal["v1", "v2", "hybrid", "none"]

MAIN_CONTROLLERS = ("memory", "cpu", "pids")  # where these are mounted decides which version a system uses
COUNTERS = (*MAIN_CONTROLLERS, "cpuacct")
PREFIX = "isolation-"
DEADLINE = 5.0  # seconds
ROOT_HINT = "run as root, or in a scope: systemd-run --user --scope -p Delegate=yes"
HOST_HINT = "run on the host, or in a container with a cgroup file system that it may write"


class CannotLimitError(IsolationError):
    """This host, or this user, cannot set a limit by hand; others may be set all the same."""


@dataclass(frozen=True)
class Cgroups:
    """
    The cgroups of one sandbox, one folder for each hierarchy.

    Args:
        dirs: the folders; a process joins by its pid in their cgroup.procs.
        switched: on v2, each cgroup.subtree_control file that was changed, and the controller enabled in it.
    """

    dirs: tuple[Path, ...]
    switched: tuple[tuple[Path, str], ...] = ()

    def delete(self) -> None:
        """Kill the members and delete the folders, and the run's folder if it is empty; missing folders are ignored."""
        for folder in self.dirs:
            delete_cgroup(folder)
        for file, controller in self.switched:
            with contextlib.suppress(OSError):  # another run still uses it
                file.write_text(f"-{controller}")


def cgroup_mode() -> Mode:
    """
    Return which hierarchy holds the controllers.

    Returns:
        "v1"; "v2"; "hybrid" if v1 holds them and cgroup2 is mounted too; "none" if none is mounted.
    """
    return mode_of(read_mounts())


def mode_of(mounts: Iterable[MountPoint], read_words: Callable[[Path], list[str]] | None = None) -> Mode:
    """Like cgroup_mode, for a list of mounts; `read_words` returns the words of a file of that host, None for ours."""
    mounts = list(mounts)
    unified = [mount for mount in mounts if mount.fstype == "cgroup2"]
    if any(_v1_mount(mounts, controller) for controller in MAIN_CONTROLLERS):
        return "hybrid" if unified else "v1"
    read = read_words or _words
    held = {controller for mount in unified for controller in read(mount.target / "cgroup.controllers")}
    return "v2" if held & set(MAIN_CONTROLLERS) else "none"


def make_cgroups(
    run_id: str,
    name: str,
    settings: Sequence[CgroupSetting],
    before: Callable[[Path], object] | None = None,
    everywhere: bool = False,
) -> Cgroups:
    """
    Make the cgroups of one sandbox and write its limits into them.

    Args:
        run_id: the run's id; the folder is isolation-<run_id>.
        name: the sandbox's name, unique in the run.
        settings: what to write for each limit.  Memory, processor time and tasks are counted without a limit, too.
        before: called with each folder before it is made, for the journal.
        everywhere: on v1, whether to make one in the hierarchies without controllers too (name=systemd, and v2), for a
            program that makes cgroups below the one in which it starts.

    Returns:
        The cgroups; after an error none is left.

    Raises:
        IsolationError: this user may not make one, or a controller is missing.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]", f"{run_id}{name}") or not (run_id and name):
        raise IsolationError(f"cannot limit '{name}': not a name for a folder")
    mounts = read_mounts()
    mode = mode_of(mounts)
    if mode == "none":
        raise CannotLimitError(f"cannot limit '{name}': no cgroup controllers are mounted", hint=_mend())
    path = PurePosixPath(f"{PREFIX}{run_id}", name)
    before = before or (lambda folder: None)
    if mode == "v2":
        return _make_v2(mounts, path, settings, before)
    return _make_v1(mounts, path, settings, before, everywhere)


def delete_cgroup(folder: Path) -> bool:
    """
    Delete a cgroup with all below it, and its parent isolation-<id> if that is empty.

    Processes are killed only below a folder named isolation-<id>; another cgroup is deleted only if it is empty.

    Returns:
        False if there was nothing to delete.

    Raises:
        IsolationError: it is still in use at the deadline.
    """
    if not folder.is_dir():
        return False
    ours = any(part.startswith(PREFIX) for part in folder.parts)
    deadline = time.monotonic() + (DEADLINE if ours else 0)
    while (left := _remove_tree(folder)) and time.monotonic() < deadline:
        _kill_members(left)
        time.sleep(0.01)
    if left and ours:
        raise IsolationError(f"cannot remove cgroup '{folder}': still in use after {DEADLINE:.0f} s")
    if folder.parent.name.startswith(PREFIX):
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    return not left


def _make_v1(
    mounts: list[MountPoint],
    path: PurePosixPath,
    settings: Sequence[CgroupSetting],
    before: Callable[[Path], object],
    everywhere: bool = False,
) -> Cgroups:
    made: list[Path] = []
    try:
        for bare in mounts if everywhere else ():
            if bare.fstype == "cgroup2" or "name=systemd" in bare.options:
                own = _own_folder(bare, "" if bare.fstype == "cgroup2" else "name=systemd")
                made.append(_make_below([bare.target, own], path, before))
        for controller in dict.fromkeys((*COUNTERS, *(setting.controller for setting in settings))):
            mount = _v1_mount(mounts, controller)
            if mount is not None and not any(mount.target in folder.parents for folder in made):
                made.append(_make_below([mount.target, _own_folder(mount, controller)], path, before))
        for setting in settings:
            mount = _v1_mount(mounts, setting.controller)
            if mount is None:
                raise CannotLimitError(
                    f"cannot limit '{setting.limit}': no {setting.controller} controller is mounted",
                    hint=_enable(setting.controller),
                )
            folder = next(folder for folder in made if mount.target in folder.parents)
            if setting.controller == "cpuset":
                _inherit_cpuset(folder.parent)
                _inherit_cpuset(folder)
            _write_files(folder, setting.v1)
    except BaseException:
        Cgroups(tuple(made)).delete()
        raise
    return Cgroups(tuple(made))


def _inherit_cpuset(folder: Path) -> None:
    """Give a new cpuset of version 1 what the one above it has: empty, it takes no task (cgroup-v1/cpusets.rst)."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not _words(folder / name):
            _write(folder / name, "".join(_words(folder.parent / name)))


def _write_files(folder: Path, files: Iterable[CgroupFile]) -> None:
    for file in files:
        if not file.optional or (folder / file.name).exists():
            _write(folder / file.name, file.value)


def _make_v2(
    mounts: list[MountPoint],
    path: PurePosixPath,
    settings: Sequence[CgroupSetting],
    before: Callable[[Path], object],
) -> Cgroups:
    mount = next(mount for mount in mounts if mount.fstype == "cgroup2")
    wanted = list(dict.fromkeys(setting.controller for setting in settings))
    own = _own_folder(mount, "")
    refusals, hint = [], _mend()
    for base in [folder for folder in reversed([own, *own.parents]) if folder.is_relative_to(mount.target)]:
        made: list[Path] = []
        switched: list[tuple[Path, str]] = []
        try:
            _switch_on(base, wanted, switched)
            made.append(_make_below([base], path, before, wanted))
            for setting in settings:
                _write_files(made[0], setting.v2)
            return Cgroups(tuple(made), tuple(switched))
        except IsolationError as error:
            refusals.append(error.what)
            hint = error.hint
            Cgroups(tuple(made), tuple(switched)).delete()
    raise CannotLimitError(refusals[-1], hint=hint, log="\n".join(refusals))


def _switch_on(folder: Path, wanted: Iterable[str], switched: list[tuple[Path, str]]) -> None:
    """Enable controllers for the children of a cgroup; EBUSY: processes are in it (cgroup-v2.rst)."""
    file = folder / "cgroup.subtree_control"
    for controller in wanted:
        if controller not in _words(folder / "cgroup.controllers"):
            hint = unless_root(ROOT_HINT, _enable(controller))
            raise CannotLimitError(f"cannot limit below '{folder}': it has no {controller} controller", hint=hint)
        if controller not in _words(file):
            _write(file, f"+{controller}")
            switched.append((file, controller))


def _make_below(
    bases: list[Path], path: PurePosixPath, before: Callable[[Path], object], controllers: Iterable[str] = ()
) -> Path:
    """Make BASE/isolation-<id>/<name> for the first of `bases` that permits it."""
    for base in bases:
        folder = base / path
        before(folder)
        try:
            folder.parent.mkdir(exist_ok=True)
            _switch_on(folder.parent, controllers, [])
            folder.mkdir()
            return folder
        except FileExistsError:
            raise IsolationError(f"cannot make cgroup '{folder}': it exists already") from None
        except OSError as error:
            refusal = CannotLimitError(f"cannot make cgroup '{folder}': {error.strerror}", hint=_mend())
        except CannotLimitError as error:
            refusal = error
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    raise refusal


def _mend() -> str:
    return unless_root(ROOT_HINT, HOST_HINT)


def _enable(controller: str) -> str:
    """Say how a controller is enabled (admin-guide/kernel-parameters.rst)."""
    return f"boot the host without cgroup_disable={controller}, or mount the {controller} controller"


def _own_folder(mount: MountPoint, controller: str) -> Path:
    """Return this process's cgroup in a hierarchy (cgroups(7)), or the mount point if the mount does not show it."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            with contextlib.suppress(ValueError):  # the mount shows another part of the hierarchy
                return mount.target / PurePosixPath(path).relative_to(mount.root)
    return mount.target


def _remove_tree(folder: Path) -> list[Path]:
    """Delete a tree of cgroups from its leaves; return those that are still in use."""
    left = []
    for name, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(name)
        except FileNotFoundError:
            pass
        except OSError:
            left.append(Path(name))
    return left


def _kill_members(folders: Iterable[Path]) -> None:
    for folder in folders:
        if (folder / "cgroup.kill").exists():
            with contextlib.suppress(OSError):
                (folder / "cgroup.kill").write_text("1")
        members = [process for pid in _words(folder / "cgroup.procs") if (process := read_process(int(pid)))]
        kill_all(members, seconds=0.2)


def _v1_mount(mounts: Iterable[MountPoint], controller: str) -> MountPoint | None:
    return next((mount for mount in mounts if mount.fstype == "cgroup" and controller in mount.options), None)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _write(file: Path, value: object) -> None:
    try:
        file.write_text(str(value), encoding="utf-8")
    except OSError as error:
        raise CannotLimitError(f"cannot limit: '{file}' refuses '{value}': {error.strerror}", hint=_mend()) from None
