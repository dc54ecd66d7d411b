"""Kernel files in further mounts of procfs and sysfs (system/kernel.c, system/paths.c)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES

from provisioner.facts.document import parse_facts

SCRIPT = 'mkdir p s; mount -t proc none p; mount -t proc none s; mount -t proc none s; exec "$0" facts n1'


@pytest.mark.skipif(not USER_NAMESPACES, reason="needs user namespaces: sysctl user.max_user_namespaces=10000")
def test_files_of_a_second_procfs_are_read_once_by_each_name(probe: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-ec", SCRIPT, probe],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=True,
    )
    system = parse_facts(done.stdout.split(b"\n", 1)[1], "n1").system

    assert system is not None
    state = system.kernel_state
    assert {f"{tmp_path}/p/cmdline", f"{tmp_path}/s/cmdline", "/proc/cmdline"} <= set(state.reads.names())
    assert state.reads[f"{tmp_path}/p/cmdline"].result == "ok"
    assert set(state.addresses_at) <= {f"{tmp_path}/p/kallsyms", f"{tmp_path}/s/kallsyms"}
    assert f"{tmp_path}/s/kcore" in system.paths
