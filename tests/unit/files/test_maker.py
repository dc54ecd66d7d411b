"""provisioner.files.maker: names of temporary things identify the process that makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.files.maker import Maker, maker_of, mark, marked_by, temporary_folder, temporary_name, this_process
from provisioner.linux.processes import boot_id, read_process

# a umount that fails leaves a folder of the host mounted in the temporary one
MOUNTS = """
import subprocess, sys
from pathlib import Path
from provisioner.files.maker import temporary_folder
top = Path(sys.argv[1])
with temporary_folder(top) as folder:
    (folder / "own").write_text("deleted")
    (folder / "bound").mkdir()
    subprocess.run(["mount", "--bind", str(top / "kept"), str(folder / "bound")], check=True)
"""


def test_name_identifies_this_process() -> None:
    process = read_process(os.getpid())
    assert process is not None

    expected = Maker(boot_id()[:8], os.stat("/proc/self/ns/pid").st_ino, process.pid, process.start)

    assert maker_of(temporary_name()) == expected
    assert maker_of(f"{temporary_name()}.old") == expected
    assert [marked_by(text) for text in mark().values()] == [expected]
    assert len(temporary_name()) <= 60


def test_forked_child_is_another_maker() -> None:
    mine = str(this_process())
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, str(this_process()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    child = Maker.parse(os.read(read, 100).decode())
    os.close(read)
    os.close(write)

    assert child is not None
    assert (child.pid, str(child) == mine) == (pid, False)


@pytest.mark.parametrize(
    "name",
    ["", ".tmp-", ".tmp-x", ".tmp-0123abcd-1-2-3", "tmp-0123abcd-1-2-3-01234567", ".tmp-0123abcd-1-2-g-01234567"],
)
def test_other_names_have_no_maker(name: str) -> None:
    assert maker_of(name) is None


def test_what_is_mounted_in_a_temporary_folder_is_not_deleted(tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "deep" / "file"
    kept.parent.mkdir(parents=True)
    kept.write_text("the host's")
    argv = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", MOUNTS, str(tmp_path)]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)

    if "unshare failed" in done.stderr:
        pytest.skip("this user may not make user namespaces here: run as root")
    assert done.returncode == 0, done.stderr
    assert kept.read_text() == "the host's"


def test_temporary_folder_is_private_and_deleted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporary_folder(tmp_path) as folder:
        (folder / "file").touch()
        assert folder.stat().st_mode & 0o777 == 0o700
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []
