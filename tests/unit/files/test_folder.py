"""provisioner.files.folder and walk: no link, rename or foreign owner leads root elsewhere."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: run as root")


@root
@pytest.mark.parametrize(
    ("uid", "gid", "mode", "who"),
    [(NOBODY, 0, 0o755, "uid 65534"), (0, NOBODY, 0o775, "gid 65534"), (0, 0, 0o777, "any user")],
)
def test_path_that_another_user_can_change_is_refused(tmp_path: Path, uid: int, gid: int, mode: int, who: str) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "ours").mkdir(parents=True)
    os.chown(theirs, uid, gid)
    theirs.chmod(mode)

    with pytest.raises(IsolationError) as error:
        Folder.open(theirs / "ours")

    assert f"{who} can change '{theirs}' (uid {uid}, mode {mode:04o})" in str(error.value)


def grant(folder: Path, tag: int, id: int, bits: int, mask: int) -> None:
    """Give a user (tag 2) or a group (tag 8) bits of a folder by acl(5), as setfacl(1) does."""
    entries = [(1, 7, -1), (2, 7, 0), (4, 5, -1), (8, 7, 0), (16, mask, -1), (32, 5, -1)]
    entries = sorted([*entries, (tag, bits, id)])
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists in '{folder}': {error.strerror}: set TMPDIR to another file system")


@root
@pytest.mark.parametrize(("tag", "who"), [(2, "uid 65534"), (8, "gid 65534")])
def test_user_of_an_access_control_list_is_one_who_can_change_a_path(tmp_path: Path, tag: int, who: str) -> None:
    """The mode shows the list's mask as the bits of the group, which is root's."""
    for name, bits, mask in (("theirs", 7, 7), ("readable", 5, 7), ("masked", 7, 5)):
        (tmp_path / name / "ours").mkdir(parents=True)
        grant(tmp_path / name, tag, NOBODY, bits, mask)

    for name in ("readable", "masked"):
        Folder.open(tmp_path / name / "ours").close()
    with pytest.raises(IsolationError, match=f"{who} can change '{tmp_path}/theirs' \\(uid 0, mode 0775\\)"):
        Folder.open(tmp_path / "theirs" / "ours")


@root
def test_sticky_folder_is_accepted_and_a_link_of_another_user_in_it_is_not(tmp_path: Path) -> None:
    sticky, folder = tmp_path / "sticky", tmp_path / "folder"
    sticky.mkdir()
    sticky.chmod(0o1777)
    folder.mkdir()
    for name in ("ours", "theirs"):
        (sticky / name).symlink_to(folder)
    os.chown(sticky / "theirs", NOBODY, NOBODY, follow_symlinks=False)

    with Folder.open(sticky / "ours") as opened:
        assert os.fstat(opened.fd).st_ino == folder.stat().st_ino
    with pytest.raises(IsolationError, match="uid 65534 can change the link"):
        Folder.open(sticky / "theirs")


@root
def test_shared_folder_is_accepted_only_if_its_user_can_write_it(tmp_path: Path) -> None:
    theirs, reports, ours = tmp_path / "theirs", tmp_path / "theirs/reports", tmp_path / "ours"
    reports.mkdir(parents=True)
    ours.mkdir()
    (theirs / "link").symlink_to(ours)
    (theirs / "reports-link").symlink_to(reports)
    for path in (theirs, reports):
        os.chown(path, NOBODY, NOBODY)

    for path in (reports, theirs / "reports-link"):
        Folder.open(path, shared=True).close()
    Folder.make(theirs / "made-by-root", None, shared=True).close()
    Folder.make(theirs / "made-by-root", None, shared=True).close()  # a report of the next run
    with pytest.raises(IsolationError, match="uid 65534 can change the link"):
        Folder.open(theirs / "link", shared=True)


def test_links_and_dots_lead_where_the_kernel_goes(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "relative").symlink_to("a/../a/b")
    (tmp_path / "absolute").symlink_to(tmp_path / "relative")

    with Folder.open(tmp_path / "absolute" / ".." / "b") as folder:
        assert os.fstat(folder.fd).st_ino == (tmp_path / "a/b").stat().st_ino


def test_loop_of_links_and_a_file_are_errors_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="symbolic links"):
        Folder.open(tmp_path / "loop")
    with pytest.raises(NotADirectoryError):
        Folder.open(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        Folder.open(tmp_path / "missing")


def test_folder_has_its_mode_whatever_the_umask_and_its_parents_have_not(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with Folder.make(tmp_path / "a/b/c", 0o711) as folder, folder.make_folder("d", 0o755):
            pass
    finally:
        os.umask(before)

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c", "a/b/c/d")]
    assert modes == [0o700, 0o700, 0o711, 0o755]


@root
def test_subfolder_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    os.chown(tmp_path / "sub", NOBODY, NOBODY)

    with Folder.open(tmp_path) as folder, pytest.raises(IsolationError, match="belongs to uid 65534"):
        folder.make_folder("sub", 0o700)


@pytest.mark.parametrize("use", [Folder.folder, Folder.open_file, lambda folder, name: folder.make_folder(name, 0o700)])
def test_links_are_not_followed(tmp_path: Path, use: Callable[[Folder, str], object]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file" if use is Folder.open_file else "folder")

    with Folder.open(tmp_path) as folder, pytest.raises(OSError):
        use(folder, "link")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_name_is_one_component(tmp_path: Path, name: str) -> None:
    with Folder.open(tmp_path) as folder, pytest.raises(ValueError):
        folder.delete(name)


def test_fifo_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    with Folder.open(tmp_path) as folder, pytest.raises(IsolationError, match="not a regular file"):
        folder.read("fifo", 10)


def test_file_is_written_read_and_renamed_below_a_folder_that_has_moved(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with Folder.open(tmp_path / "old") as folder:
        (tmp_path / "old").rename(tmp_path / "new")
        folder.write_whole("a", "text", 0o640)
        folder.rename("a", "b")

        assert folder.names() == ["b"]
        assert folder.read("b", 2) == b"te"
        assert folder.status("a") is None
    assert stat.S_IMODE((tmp_path / "new/b").stat().st_mode) == 0o640


@root
def test_file_is_handed_over_and_may_be_handed_over_again(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with Folder.open(tmp_path) as folder:
        for _ in range(2):
            folder.hand_over("file", NOBODY, NOBODY, 0o600)

    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY, NOBODY, 0o600)


@root
@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "folder", "foreign"])
def test_only_a_plain_file_of_its_own_is_handed_over(tmp_path: Path, kind: str) -> None:
    target, path = tmp_path / "target", tmp_path / "path"
    target.touch(0o600)
    match kind:
        case "symbolic link":
            path.symlink_to(target)
        case "hard link":
            path.hardlink_to(target)
        case "folder":
            path.mkdir()
        case "foreign":
            path.touch()
            os.chown(path, 1234, 1234)

    with Folder.open(tmp_path) as folder, pytest.raises((OSError, IsolationError)):
        folder.hand_over("path", NOBODY, NOBODY, 0o600)

    assert target.stat().st_uid == 0
    assert path.lstat().st_uid in (0, 1234)


def test_error_names_the_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()

    with (
        Folder.open(tmp_path) as folder,
        pytest.raises(OSError, match="Is a directory") as error,
        folder.writing_whole("outer"),
        folder.writing_whole("inner"),
    ):
        pass

    assert error.value.filename == str(tmp_path / "inner")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"]
