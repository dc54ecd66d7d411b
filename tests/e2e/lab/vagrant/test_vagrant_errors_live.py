"""Real Vagrant and libvirt: a guest that does not start, a damaged box, a missing plugin, Vagrant by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from vagrant_lab import NEEDS

from provisioner import deadlines
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.box.build import Box, package_box
from provisioner.machines.lab import MachineSpec
from provisioner.machines.vagrant.lab_file import render_plain, write_entry
from provisioner.machines.vagrant.machine import VagrantMachine
from provisioner.machines.vagrant.output import INSTALL
from provisioner.machines.vagrant.program import VagrantProgram

PLUGIN = Path("/usr/share/vagrant-plugins/plugins.d")
ROOT = Path(__file__).parents[4]
pytestmark = NEEDS


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """A run that lives as long as the folder: the end of the last run empties the run folder."""
    with Run.start() as made:
        yield made


def test_a_kernel_panic_ends_the_start_at_once(run: Run, box: Box, folder: Path) -> None:
    broken = replace(box, cmdline=f"{box.cmdline} rdinit=/nowhere root=/dev/none")
    dead = VagrantMachine(MachineSpec(name="dead", driver="qemu"), broken, folder / "dead", run)
    started = time.monotonic()

    with pytest.raises(IsolationError, match=r"cannot start machine 'dead': its kernel has panicked; .*: ") as caught:
        dead.up()
    assert time.monotonic() - started < deadlines.deadline("machine.boot")  # without waiting for the deadline
    assert "Kernel panic" in caught.value.log
    assert (dead.status(), dead.vmm_pid()) == ("absent", None)


def test_the_console_of_a_guest_that_misses_its_deadline_is_quoted(
    run: Run, box: Box, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = replace(box, cmdline=f"{box.cmdline.replace('quiet', '')} systemd.unit=emergency.target")
    hung = VagrantMachine(MachineSpec(name="hung", driver="qemu"), hanging, folder / "hung", run)
    monkeypatch.setitem(deadlines._SECONDS, "machine.boot", 12.0)

    with pytest.raises(IsolationError) as caught:
        hung.up()
    assert re.match(
        "cannot start machine 'hung': Vagrant: it did not answer by SSH in time; its console ends: .+",
        str(caught.value),
    )
    assert "Command line: " in caught.value.log or "systemd[1]" in caught.value.log
    assert (hung.status(), hung.vmm_pid()) == ("absent", None)


def test_a_truncated_box_file_is_packed_again_or_refused(run: Run, box: Box, folder: Path) -> None:
    own = replace(box, directory=folder / "own")
    own.directory.mkdir()
    packed = package_box(own)
    size = packed.stat().st_size
    os.truncate(packed, size // 2)
    assert package_box(own).stat().st_size > size * 0.9  # compressed by several threads: not to the byte
    with tarfile.open(packed) as tar:
        assert tar.getmember("box.img").size > size // 2

    os.truncate(packed, size // 2)
    program = VagrantProgram(folder / "cut", run)
    with pytest.raises(IsolationError, match="cannot add the box 'a/b': Vagrant: the box file is damaged or trunc"):
        program.add_box("a/b", packed)


@pytest.mark.skipif(
    not PLUGIN.is_dir(), reason=f"hides the plugin of Debian: {INSTALL.partition(';')[0]} vagrant-libvirt"
)
def test_a_missing_plugin_is_an_error_that_offers_provider_qemu(run: Run, folder: Path) -> None:
    hide = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {PLUGIN} && exec "$@"', "sh"]
    program = VagrantProgram(folder / "bare", run, enter=lambda: hide)
    write_entry(program.lab_file, "one", render_plain(MachineSpec(name="one", box="a/b")))
    with pytest.raises(IsolationError) as caught:
        program.up("one")
    assert str(caught.value).startswith("cannot start machine 'one': Vagrant: its plugin vagrant-libvirt is not insta")
    assert "`provider: qemu` in lab.yaml" in str(caught.value)


def test_vagrant_by_hand_reads_the_packaged_lab_and_names_a_missing_box(folder: Path) -> None:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env |= {"VAGRANT_HOME": str(folder / "hand"), "VAGRANT_DOTFILE_PATH": str(folder / "dot")}
    env |= {"VAGRANT_CHECKPOINT_DISABLE": "1", "VAGRANT_DEFAULT_PROVIDER": "libvirt", "LC_ALL": "C.UTF-8"}
    status, start = (
        subprocess.run(
            ["vagrant", *argv], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
        )
        for argv in (["status"], ["up", "debian12"])
    )

    assert (status.returncode, status.stderr) == (0, "")
    assert re.search(r"^debian12 +not created \(libvirt\)$", status.stdout, re.MULTILINE)
    assert start.returncode == 1
    wanted = "cannot start machine 'debian12': Vagrant knows no box 'debian12'; `provisioner up debian12` builds it"
    assert wanted in start.stdout + start.stderr
    assert ".rb:" not in status.stdout + start.stdout + start.stderr
