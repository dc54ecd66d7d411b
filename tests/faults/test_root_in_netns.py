"""Root ends a network namespace: it deletes socket files and mounts by paths that other users chose."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from faults.case import needs_root
from faults.racer import arena, race
from provisioner.linux.netns import _delete_socket, delete_netns, make_netns

pytestmark = needs_root
# in a mount namespace of its own: a tmpfs at ours/mounted, and one at theirs/folder/mounted
UNMOUNT = """
import subprocess, sys
from pathlib import Path
from faults.case import needs_root
from faults.racer import Arena, race
from provisioner.linux.mounts import mounted_below, unmount
place = Arena(Path(sys.argv[1]))
folder, kept = place.theirs("theirs/folder"), place.ours / "mounted"
for path in (kept, folder / "mounted"):
    path.mkdir()
mount = lambda: subprocess.run(["mount", "-t", "tmpfs", "race", str(kept)], check=True)
mount()
naive = lambda: subprocess.run(["umount", "--lazy", str(folder / "mounted")], stderr=subprocess.DEVNULL)
lost = lambda: not mounted_below(kept)
with place.swapping("theirs/folder", place.ours):
    naive_lost = race(naive, lost)
    mount()
    ours_lost = race(lambda: unmount(folder / "mounted"), lost, 2)
print(bool(naive_lost), bool(ours_lost))
"""
# as nobody, in a user namespace and a root folder of its own: binds the path where root's socket is outside
BIND = """
import ctypes, os, socket, sys
top, path = sys.argv[1:]
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
if ctypes.CDLL(None).unshare(0x10000000):
    print("nobody may not make user namespaces here: raise user.max_user_namespaces", flush=True)
    sys.exit()
os.chroot(top)
os.chdir("/")
bound = socket.socket(socket.AF_UNIX)
bound.bind(path)
print(flush=True)
sys.stdin.read()
"""


def test_a_socket_file_is_not_deleted_through_a_link() -> None:
    with arena() as place, socket.socket(socket.AF_UNIX) as ours:
        folder = place.theirs("theirs/folder")
        for path in (place.ours / "socket", folder / "socket"):
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
        kept, named = place.ours / "socket", folder / "socket"

        def naive() -> None:
            if named.is_socket():
                named.unlink()

        with place.swapping("theirs/folder", place.ours):
            assert race(naive, lambda: not kept.exists())
            ours.bind(str(kept))
            assert not race(lambda: _delete_socket(named, 0), lambda: not kept.exists(), seconds=2)


def test_a_mount_is_not_detached_through_a_link(tmp_path: Path) -> None:
    with arena() as place:
        place.ours.rmdir()
        argv = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", UNMOUNT, str(place.top)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=env)

    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_socket_file_in_a_folder_of_root_is_deleted() -> None:
    with arena() as place:
        path = place.ours / "socket"
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
        _delete_socket(path, 0)

        assert not path.exists()


def test_a_socket_of_root_is_kept_if_another_root_folder_has_the_same_path() -> None:
    name = f"isolation-race-{os.getpid()}"
    with arena() as place, socket.socket(socket.AF_UNIX) as ours:
        path = place.ours / "socket"
        ours.bind(str(path))
        top = place.theirs(f"top{path.parent}").parents[len(path.parent.parts) - 2]
        enter = ["nsenter", f"--net={make_netns(name)}", sys.executable, "-I", "-c", BIND, str(top), str(path)]
        with subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as member:
            try:
                assert member.stdout is not None
                said = member.stdout.readline().strip()
            finally:
                delete_netns(name)
        if said:
            pytest.skip(said)

        assert (top / path.relative_to("/")).is_socket()
        assert member.returncode == -9
        assert path.is_socket()
