"""Checks of the descriptors that the first process starts with."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls import leads
from pytest_isolation.walls.filesystem.rootfs import folders_outside_root, runs_from_outside


@pytest.mark.isolation(
    "fd.inherited",
    severity="high",
    profile="baseline",
    gains="uses files or sockets that the runtime had open",
    refs=["CVE-2024-21626", "open(2)"],
    kinds=["container"],
    kinds_reason="a VM inherits no descriptor",
    shows=["process.fds"],
    reproduce="ls -l /proc/1/fd",
    remedy="close all descriptors but 0, 1 and 2 before it starts: drop --preserve-fds",
)
def test_only_standard_descriptors_are_open(sandbox: SandboxView) -> None:
    """Only descriptors 0, 1 and 2 are open at the start."""
    more = [f"{fd.fd} ({fd.target})" for fd in sandbox.inside.process.fds if fd.fd > 2]
    if more:
        raise Open(f"it was given the descriptors {', '.join(more[:4])}")


@pytest.mark.isolation(
    "fd.outside_dir",
    severity="critical",
    profile="baseline",
    gains="opens the host's files relative to a directory that was left open",
    refs=["CVE-2024-21626", "proc_pid_fdinfo(5)"],
    kinds=["container"],
    kinds_reason="a VM holds no folder of the host",
    shows=["process.handles", "process.cwd"],
    reproduce="grep mnt_id /proc/PID/fdinfo/*; cut -d' ' -f1 /proc/PID/mountinfo    # on the host",
    remedy="update runc to 1.1.12; drop --preserve-fds; set the working directory inside the root",
)
def test_no_folder_outside_the_root_is_held(sandbox: SandboxView) -> None:
    """
    No descriptor and no cwd refers to a directory outside the root.

    The id of the mount decides: a mount that the process's own mount table lacks lies outside.
    The text of a link is no evidence, because it is relative to the mount's own namespace.
    This covers every process of the sandbox.
    """
    found = folders_outside_root(sandbox.process) + leads.of_tasks(sandbox.tasks, leads.folders)
    if found:
        raise Open(f"{', '.join(found[:4])} is a folder outside its root")


@pytest.mark.isolation(
    "fd.outside_file",
    severity="critical",
    profile="baseline",
    gains="reads or writes a file or a disk of the host that was left open",
    refs=["proc_pid_fdinfo(5)", "proc_pid_fd(5)", "CVE-2024-21626"],
    kinds=["container"],
    kinds_reason="a VM holds no file of the host",
    shows=["process.leads", "process.fds"],
    reproduce="ls -l /proc/PID/fd; grep mnt_id /proc/PID/fdinfo/*    # on the host, for every process of the sandbox",
    remedy="start it with pipes as standard streams, and close all other descriptors before",
)
def test_no_file_outside_the_root_is_held(sandbox: SandboxView) -> None:
    """
    No descriptor of any process leads to a file or a device of the host.

    Descriptors 0, 1 and 2 count too: /proc/PID/fd/N opens the file anew, also for reading what was opened for writing.
    The id of the mount decides, as for folders.
    A disk counts on any mount.
    Pipes, sockets, files in memory, /dev/null and its like, and terminals lead to no file.
    """
    if reason := sandbox.target.cannot.get("host"):
        pytest.skip(reason)
    found = leads.files(sandbox.subject) + leads.of_tasks(sandbox.tasks, leads.files)
    if found:
        raise Open("; ".join(found[:4]))


@pytest.mark.isolation(
    "fd.runtime_exe",
    severity="critical",
    profile="baseline",
    gains="overwrites the runtime's own program on the host",
    refs=["CVE-2019-5736", "proc_pid_exe(5)"],
    kinds=["container"],
    kinds_reason="a VM's processes are its own kernel's",
    shows=["process.handles", "process.exe"],
    reproduce="readlink /proc/1/exe; readlink /proc/PID/exe    # inside, and on the host",
    remedy="update the runtime: it must run from a sealed copy of itself, never from the host's file",
)
def test_no_process_runs_from_the_hosts_runtime(sandbox: SandboxView) -> None:
    """
    No process inside runs from the host's runtime binary.

    The programs of the first process and of an exec'd process must lie on a mount of the sandbox's own table, or in
    memory like a sealed copy.
    """
    if runs_from_outside(sandbox.process):
        raise Open("it runs from a file outside its root")
    execs = "exec" not in sandbox.target.cannot and "attach.exec" not in sandbox.target.cannot
    if execs and runs_from_outside(sandbox.exec.process):
        raise Open("what exec started runs from a file outside its root")
