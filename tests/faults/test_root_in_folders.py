"""Root gives files away, writes and deletes in folders whose entries another user swaps for links.

Each race is run twice: with calls by path, which follow the link within the bound, and with provisioner's own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.case import needs_root
from faults.racer import NOBODY, Arena, arena, race
from provisioner.files.folder import Folder
from provisioner.files.walk import FOLDER
from provisioner.journal.undo import check_path, remove_path
from provisioner.machines.console import read_console
from provisioner.machines.qemu.command import DISK
from provisioner.machines.qemu.folder import NAME, make_files, open_folder

pytestmark = needs_root
SECRET = "only root reads this"


@pytest.fixture
def place() -> Iterator[Arena]:
    with arena() as made:
        (made.ours / "secret").write_text(SECRET)
        (made.ours / "secret").chmod(0o600)
        yield made


@pytest.fixture
def secret(place: Arena) -> Path:
    """A file that only root may touch."""
    return place.ours / "secret"


def held(path: Path) -> Folder:
    """Hold a folder whose owner is not checked: what follows must be safe without that check."""
    return Folder(path, os.open(path, FOLDER))


def test_a_file_is_not_given_away_through_a_link(place: Arena, secret: Path) -> None:
    folder = place.theirs("theirs")
    (folder / "disk").touch()

    with place.swapping("theirs/disk", secret), held(folder) as opened:
        assert race(lambda: os.chown(folder / "disk", NOBODY, -1), lambda: secret.stat().st_uid != 0)
        os.chown(secret, 0, 0)
        assert not race(lambda: opened.hand_over("disk", NOBODY, NOBODY, 0o666), lambda: secret.stat().st_uid != 0, 2)
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_file_is_not_written_through_a_link(place: Arena, secret: Path) -> None:
    folder = place.theirs("theirs")
    (folder / "report").touch()

    def lost() -> bool:
        return secret.read_text() != SECRET

    def write_whole() -> None:
        with suppress(FileNotFoundError):
            opened.write_whole("report", "")

    with place.swapping("theirs/report", secret), held(folder) as opened:
        assert race(lambda: (folder / "report").write_text(""), lost)
        secret.write_text(SECRET)
        assert not race(write_whole, lost, 2)


def test_a_console_is_not_read_through_a_link(place: Arena, secret: Path) -> None:
    folder, read = place.theirs("theirs"), [""]
    (folder / "console").touch()

    def look(text: str) -> None:
        read[0] = text

    with place.swapping("theirs/console", secret):
        assert race(lambda: look((folder / "console").read_text()), lambda: read[0] == SECRET)
        assert not race(lambda: look(read_console(folder / "console")), lambda: read[0] == SECRET, 2)


def test_a_folder_is_not_opened_to_others_through_a_link(place: Arena) -> None:
    """As a folder is made: mkdir(2), then chmod(2), because of the umask."""
    folder = place.theirs("theirs/sub").parent
    place.ours.chmod(0o700)

    def naive() -> None:
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub").chmod(0o755)

    def lost() -> bool:
        return place.ours.stat().st_mode & 0o777 != 0o700

    with place.swapping("theirs/sub", place.ours), held(folder) as opened:
        assert race(naive, lost)
        place.ours.chmod(0o700)
        assert not race(lambda: opened.make_folder("sub", 0o755).close(), lost, 2)


def test_a_run_does_not_delete_through_a_link(place: Arena, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(place.top / "home"))
    named = place.theirs("home/run/theirs/folder") / "secret"
    for part in ("home", "home/run"):
        os.chown(place.top / part, 0, 0)
    real = held(named.parent)

    def make() -> None:
        with suppress(FileExistsError):
            os.mknod("secret", dir_fd=real.fd)

    def naive() -> None:
        make()
        os.unlink(check_path(named))

    def ours() -> None:
        make()
        remove_path(named)

    with real, place.swapping("home/run/theirs/folder", place.ours):
        assert race(naive, lambda: not secret.exists())
        secret.write_text(SECRET)
        assert not race(ours, lambda: not secret.exists(), 2)


def test_a_tree_is_not_deleted_through_a_link(place: Arena, secret: Path) -> None:
    """The naive way lists a folder by path."""
    tree = place.theirs("theirs/tree/folder").parent
    opened = held(tree)

    def make() -> None:
        """Make what the racer swaps, and a file to delete."""
        with suppress(FileExistsError):
            os.symlink(place.ours, "folder.link", dir_fd=opened.fd)
        with suppress(FileExistsError):
            os.mkdir("folder", dir_fd=opened.fd)
        with suppress(OSError), opened.folder("folder") as folder:
            os.mknod("secret", dir_fd=folder.fd)

    def naive() -> None:
        make()
        for path in (tree / "folder").iterdir():
            path.unlink()

    def ours() -> None:
        make()
        opened.delete("folder")

    with opened, place.swapping("theirs/tree/folder", place.ours):
        assert race(naive, lambda: not secret.exists())
        secret.write_text(SECRET)
        assert not race(ours, lambda: not secret.exists(), 2)


def test_qemu_takes_nothing_over_from_a_folder_of_an_older_version(place: Arena, secret: Path) -> None:
    """An older version gave QEMU's folder to nobody, who may still be in it when root starts the machine anew."""
    folder = place.theirs(f"machine/{NAME}")
    os.chown(folder.parent, 0, 0)
    (folder / DISK).touch()
    os.chown(folder / DISK, NOBODY, NOBODY)

    def give_back() -> None:
        os.chown(folder, NOBODY, NOBODY)
        with held(folder) as opened:
            for name in (DISK, f"{DISK}.link"):
                with suppress(FileExistsError):
                    os.symlink(secret, name, dir_fd=opened.fd)
            opened.delete(DISK)
            with suppress(FileExistsError):
                os.mknod(DISK, dir_fd=opened.fd)
                os.chown(DISK, NOBODY, NOBODY, dir_fd=opened.fd, follow_symlinks=False)

    def naive() -> None:
        os.chown(folder / DISK, NOBODY, -1)

    def ours() -> None:
        give_back()
        with open_folder(folder.parent) as opened, make_files(opened, NOBODY):
            pass

    with place.swapping(f"machine/{NAME}/{DISK}", secret):
        assert race(naive, lambda: secret.stat().st_uid != 0)
        os.chown(secret, 0, 0)
        assert not race(ours, lambda: secret.stat().st_uid != 0, 3)
    assert secret.read_text() == SECRET
