"""provisioner.files.grammars: what a program reads is the text that was written, by that program's own rules."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import IsolationError
from provisioner.files import grammars
from provisioner.paths import HOME, cache_dir, run_dir, state_dir

SIGNS = " ,;:#\\\"'%$={}()[]&*?~|<>!é\u2713"
paths = st.text(st.sampled_from(f"ab/{SIGNS}"), min_size=1, max_size=200).map(lambda text: f"/{text}")


def read_qemu(text: str) -> list[str]:
    """Split a list of options at single commas (util/qemu-option.c, get_opt_value)."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",")]


def read_csv(text: str) -> list[str]:
    return next(csv.reader([text], strict=True))


def read_fstab(text: str) -> list[str]:
    """Split a line of fstab as getmntent(3) of glibc does."""
    return [re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), part) for part in re.split("[ \t]+", text)]


def read_nspawn(text: str) -> list[str]:
    """Split at colons; a backslash keeps the next sign (extract_first_word() of systemd)."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^\\:])+", text)]


@pytest.mark.parametrize(
    ("write", "line", "read", "place"),
    [
        (grammars.qemu, "file,id=console,path={},append=on", read_qemu, 2),
        (grammars.csv, "type=bind,id=1,{},readonly", read_csv, 2),
        (grammars.fstab, "none x {} bind 0 0", read_fstab, 2),
        (grammars.nspawn, "{}:/target", read_nspawn, 0),
    ],
    ids=["qemu", "csv", "fstab", "nspawn"],
)
@given(path=paths)
def test_what_is_read_is_what_was_written(
    write: Callable[[str], str], line: str, read: Callable[[str], list[str]], place: int, path: str
) -> None:
    expected = read(line.format("PATH"))
    expected[place] = expected[place].replace("PATH", path)

    assert read(line.format(write(path))) == expected


@given(path=paths)
def test_an_overlay_of_lxc_takes_plain_folders_alone(path: str) -> None:
    if set(path) & set(",:\\"):
        with pytest.raises(IsolationError, match="in an overlay of LXC: it contains"):
            grammars.lxc_overlay(path)
    else:
        assert grammars.lxc_overlay(path) == path


@pytest.mark.parametrize("sign", " ,:\\")
def test_podman_and_docker_take_no_such_folder(sign: str) -> None:
    for write in (grammars.podman_folder, grammars.docker_folder):
        assert write("/run/a-b_c.d/0") == "/run/a-b_c.d/0"
        with pytest.raises(IsolationError, match=r"it contains '.*; set PYTEST_ISOLATION_HOME to a plain path"):
            write(f"/run/a{sign}b")


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a%c", "a$b", "a#b", "x" * 200])
def test_podman_takes_plain_and_quoted_folders(name: str) -> None:
    assert grammars.podman_folder(f"/run/{name}") == f"/run/{name}"


def test_podman_takes_no_folder_beyond_ascii() -> None:
    with pytest.raises(IsolationError, match=r"in '/run/n\u00f6n': it contains '\u00f6'; set "):
        grammars.podman_folder("/run/n\u00f6n")


@pytest.mark.skipif(
    shutil.which("ssh") is None, reason="OpenSSH's ssh is not installed: apt-get install openssh-client"
)
@pytest.mark.parametrize("name", ["a b", 'a"b', "a\\b", "a'b", "a%h", "a#b", "a,b:c", "é", "$x", "x" * 200])
def test_ssh_reads_the_path(name: str) -> None:
    option = f"UserKnownHostsFile={grammars.ssh(f'/k/{name}')}"

    done = subprocess.run(["ssh", "-G", "-F", "/dev/null", "-o", option, "h"], capture_output=True, text=True)

    assert f"userknownhostsfile /k/{name}\n" in done.stdout, done.stderr


def test_ssh_takes_no_variable() -> None:
    with pytest.raises(IsolationError, match=r"contains \$\{; set PYTEST_ISOLATION_HOME"):
        grammars.ssh("/k/${HOME}")


@pytest.mark.parametrize(
    ("home", "message"),
    [
        ("~/x", r"""cannot use PYTEST_ISOLATION_HOME '~/x': no shell has expanded the ~; write it as "\$HOME/x"$"""),
        ("~", "no shell has expanded the ~"),
        ("/tmp/a\nb", "it contains a control character"),
        ("/tmp/a\x1b[0m", "it contains a control character"),
    ],
)
@pytest.mark.parametrize("folder", [cache_dir, state_dir, run_dir])
def test_a_home_that_nobody_means_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: Callable[[], Path], home: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HOME, home)

    with pytest.raises(IsolationError, match=message):
        folder()
    assert list(tmp_path.iterdir()) == []
