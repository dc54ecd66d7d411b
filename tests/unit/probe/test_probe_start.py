"""The command launch (start/)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from served_probe import as_root, read_document, run


def test_launch_closes_descriptors_and_keeps_the_exit_status(probe: Path) -> None:
    read, write = os.pipe()
    try:
        done = run(probe, "launch", "--", "sh", "-c", f"test ! -e /proc/self/fd/{read} && exit 7", pass_fds=[read])
    finally:
        os.close(read)
        os.close(write)

    assert done.returncode == 7
    assert run(probe, "launch", "--", "/nonexistent/x").returncode == 69


@as_root
def test_launch_drops_ids_and_pivots_in_new_namespaces(probe: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    if "PROBE_UNDER_TEST" in os.environ:
        pytest.skip("sanitizers need a shared C library, and the root folder has none")
    root = Path(subprocess.check_output(["mktemp", "-d", "/tmp/probe-root-XXXXXX"], text=True).strip())
    root.chmod(0o755)
    for name in ("proc", "sys", "dev", "tmp", "etc", "run"):
        (root / name).mkdir()
    (root / "probe").write_bytes(probe.read_bytes())
    (root / "probe").chmod(0o755)
    namespaces = ["-U", "-r", "-m", "-u", "-i", "-n", "-p", "-C", "-f", "--kill-child", "--propagation", "private"]
    inner = [str(root / "probe"), "launch", "--loopback", "--pivot", str(root), "--", "/probe", "facts", "n1"]
    argv = ["launch", "--uid", "65534", "--gid", "65534", "--", "unshare", *namespaces, "--", *inner]
    try:
        facts = read_document(run(root / "probe", *argv), "n1")
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)

    assert facts.process.pid == 1
    assert [(item.inside, item.outside) for item in facts.process.uid_map] == [(0, 65534)]
    assert facts.process.exe == "/probe"
    assert facts.system is not None
    assert facts.system.proc_self == "1"
    assert {device.path for device in facts.system.devices} >= {"/dev/null", "/dev/zero"}
    assert [(item.name, item.flags & 1) for item in facts.system.interfaces if item.name == "lo"] == [("lo", 1)]
    assert facts.system.paths["/proc/sys/kernel/core_pattern"].write == "EACCES"
