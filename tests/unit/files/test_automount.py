"""provisioner.files.walk: a folder that is mounted when it is used, as autofs and systemd.automount(5) do it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# As automount(8), in a mount namespace of its own: mounts a tmpfs when the kernel asks for it.  The kernel does not ask
# for the process group of this process.  Documentation/filesystems/autofs.rst: a packet is a struct autofs_v5_packet.
SERVE = """
import ctypes, fcntl, os, struct, subprocess, sys, threading
READY, PACKET = 0x9360, 304
target = sys.argv[1]
read, write = os.pipe()
os.setpgid(0, 0)
options = f"fd={write},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct".encode()
if ctypes.CDLL(None).mount(b"test", target.encode(), b"autofs", 0, options):
    sys.exit("no autofs")
os.close(write)
trigger = os.open(target, os.O_RDONLY)
def serve():
    _, _, token = struct.unpack_from("iiI", os.read(read, PACKET))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "test", target], check=True)
    fcntl.ioctl(trigger, READY, token)
threading.Thread(target=serve, daemon=True).start()
done = subprocess.run([sys.executable, "-c", *sys.argv[2:], target], process_group=0, timeout=60)
os._exit(done.returncode)
"""
USE = """
import sys
from pathlib import Path
from provisioner.files.folder import Folder
Folder.make(Path(sys.argv[1]) / "cache" / "folder", 0o755).close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts: run as root")
def test_folder_on_the_way_is_mounted_when_it_is_used(tmp_path: Path) -> None:
    if "autofs" not in Path("/proc/filesystems").read_text():
        pytest.skip("no autofs in this kernel: modprobe autofs4")
    (tmp_path / "home").mkdir()
    argv = [sys.executable, "-c", SERVE, str(tmp_path / "home"), USE]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", *argv], env=env, capture_output=True, text=True, timeout=120
    )
    if "no autofs" in done.stderr:
        pytest.skip("autofs cannot be mounted here: run with CAP_SYS_ADMIN outside of a user namespace")

    assert (done.returncode, done.stderr) == (0, "")
