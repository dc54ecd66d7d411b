"""The subject on each runtime: it is found among what the runtime itself names, and it answers soon."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.linux.processes import read_process
from provisioner.sandboxes.spec import Spec
from pytest_isolation.judge.judge import judge_record
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.session.state import STATE

if TYPE_CHECKING:
    from provisioner.facts.document import Facts
    from provisioner.facts.mounts import Mount
    from provisioner.hosts.host import Host
    from pytest_isolation.live.sandbox import LiveView


def ancestors(pid: int) -> list[int]:
    """Return the process itself and its parents, up to init."""
    found = [pid]
    while found[-1] > 1:
        with open(f"/proc/{found[-1]}/stat") as file:
            found.append(int(file.read().rpartition(")")[2].split()[1]))
    return found


def test_subject_descends_from_the_pid_that_the_runtime_names(sandbox: LiveView) -> None:
    if sandbox.live.runtime.state is None:
        pytest.skip("this runtime names no pid")
    outside = sandbox.live.outside()
    if sandbox.live.runtime.boundary == "sentry":
        pytest.skip("the pid is the sentry's, behind which the host sees no process")
    assert outside is not None

    assert sandbox.live.state_pid() in ancestors(outside.process.pid)


def test_subject_descends_from_what_was_started_where_the_runtime_has_no_daemon(sandbox: LiveView) -> None:
    outside = sandbox.live.outside()
    if outside is None or sandbox.live.runtime.state is not None:
        pytest.skip("seen by its runtime's own pid, or not from outside")
    assert sandbox.live._stream is not None

    assert sandbox.live._stream.pid in ancestors(outside.process.pid)


def test_hypervisor_is_the_process_that_was_started(sandbox: LiveView) -> None:
    vmm = sandbox.live.vmm()
    if vmm is None:
        pytest.skip("no hypervisor: its processes are the host's")
    if sandbox.live.runtime.boundary == "sentry":
        assert "runsc" in vmm.process.name or vmm.process.name == "exe"
        return
    assert sandbox.live._stream is not None

    assert vmm.process.pid == sandbox.live._stream.pid
    assert vmm.process.name.startswith("qemu")


def test_both_views_are_of_the_same_namespaces(sandbox: LiveView) -> None:
    outside = sandbox.live.outside()
    if outside is None:
        pytest.skip("a VM's processes are not the host's, and `self` has no outside")

    inside = sandbox.live.inside()  # answered by a child of the subject: another pid, the same walls
    assert outside.process.namespaces == inside.process.namespaces
    made_up = any(mount.target == "/proc/sys/kernel/random/boot_id" for mount in outside.process.mounts)  # LXC's
    assert made_up or outside.boot_id == inside.boot_id


def test_time_to_the_first_answer_is_recorded(sandbox: LiveView) -> None:
    times = sandbox.measurements.times

    assert 0 < times["hello"] < (90 if sandbox.target.kind == "vm" else 30)
    assert times["facts"] > 0
    assert sandbox.live.hello_seconds > 0


def test_a_closed_sandbox_has_no_process(sandbox: LiveView, request: pytest.FixtureRequest) -> None:
    sandboxes = request.config.stash[STATE].sandboxes
    further = sandboxes.create(sandbox.measurements.target, Spec(network=next(iter(sandbox.live.runtime.network))))
    looked = further.vmm() or further.outside()
    pid = looked.process.pid if looked else further._stream.pid

    further.close()

    assert read_process(pid) is None


def test_a_device_number_that_is_given_anew_makes_no_mount_the_hosts(
    sandbox: LiveView, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandboxes = request.config.stash[STATE].sandboxes
    target = sandbox.measurements.target
    host = sandboxes.hosts.host(target.host)
    if not sandbox.has_outside or not host.sys_admin:
        pytest.skip("a VM's mounts are its own kernel's, and without CAP_SYS_ADMIN nothing is mounted here")
    for _ in range(5):  # until it gets a number that was one of these: what else ends meanwhile leaves its own
        monkeypatch.setattr(host, "facts", host_that_mounted(host, tmp_path))
        with sandboxes.create(target, Spec()) as one:
            record = observe_sandbox(target, one, None)
        gone = devices(mount for mount in host.facts.process.mounts if mount.target.startswith(str(tmp_path)))
        assert judge_record(record)["mnt.flags"] == judge_record(sandbox.record)["mnt.flags"]
        if gone & devices(record.outside.process.mounts):
            return
    pytest.skip("other programs took the numbers in between: run this test alone")


def host_that_mounted(host: Host, folder: Path) -> Facts:
    """Return the facts of a host on which file systems were mounted that are gone now."""
    with ExitStack() as undo:
        for number in range(40):
            path = folder / str(number)
            path.mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(path)], check=True, timeout=300)
            undo.callback(subprocess.run, ["umount", str(path)], check=True, timeout=300)
        return host.look()


def devices(mounts: Iterable[Mount]) -> set[tuple[int, int]]:
    return {(mount.major, mount.minor) for mount in mounts}


def test_the_kernel_names_each_mount_by_its_path(sandbox: LiveView) -> None:
    """A kernel that cannot copy names gives "xxxx": then no check finds a mount."""
    targets = [mount.target for mount in sandbox.process.mounts]

    assert "/proc" in targets
    assert [target for target in targets if not target.startswith("/")] == []
