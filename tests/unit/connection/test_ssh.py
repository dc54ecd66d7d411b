"""provisioner.connection: command lines for a login shell, host keys, and errors, without a machine."""

from __future__ import annotations

import base64
import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.connection.child import MAX_STDERR
from provisioner.connection.command_line import MAX_LINE, Preamble, render_line
from provisioner.errors import IsolationError

SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
NASTY = [
    "; id",
    "$(id)",
    "`id`",
    "a\nb",
    "",
    " ",
    "'",
    '"',
    "\\",
    "*",
    "~",
    "$HOME",
    "!!",
    "--",
    "-n",
    "&",
    "\x7f",
    "é",
]
ARGUMENT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20)
KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
KEY_LINE = "ssh-ed25519 " + base64.b64encode(KEY).decode()


def through(shell: str, line: bytes) -> tuple[bytes, Preamble, bytes]:
    """Run a line as sshd does; return output, the preamble, and the program's own errors."""
    done = subprocess.run([shell, "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    preamble = Preamble()
    errors = preamble.feed(done.stderr) + preamble.end()
    return done.stdout, preamble, errors


# --- the line


@pytest.mark.parametrize("shell", SHELLS)
def test_special_characters_arrive_unchanged(shell: str) -> None:
    out, preamble, _ = through(shell, render_line(["printf", "<%s>", *NASTY]))

    assert out.decode() == "".join(f"<{part}>" for part in NASTY)
    assert preamble.pid > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(ARGUMENT, min_size=1, max_size=4), ARGUMENT)
def test_any_argument_and_variable_arrives_unchanged(parts: list[str], value: str) -> None:
    script = 'printf "<%s>" "$VALUE" "$@"'

    out, _, _ = through("sh", render_line(["sh", "-c", script, "sh", *parts], {"VALUE": value}))

    assert out.decode() == "".join(f"<{part}>" for part in [value, *parts])


def test_bytes_that_are_not_utf8_arrive_unchanged() -> None:
    raw = bytes(range(1, 256))

    out, _, _ = through("sh", render_line(["printf", "%s", raw.decode("utf-8", "surrogateescape")]))

    assert out == raw


@pytest.mark.parametrize("shell", SHELLS)
def test_the_printed_pid_is_the_programs(shell: str) -> None:
    out, preamble, errors = through(shell, render_line(["sh", "-c", "echo $$; echo no >&2"], {"A": "b"}))

    assert int(out) == preamble.pid
    assert errors == b"no\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", ["no-such-program", "/etc/passwd", "/no/such", "/etc", "; id"])
def test_a_missing_program_is_reported(shell: str, program: str) -> None:
    _, preamble, errors = through(shell, render_line([program]))

    assert (preamble.answer, preamble.pid, errors) == ("absent", 0, b"")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["plain", "-", "-P", "a b; id", "$(id)", "a\nb"])
def test_the_program_starts_in_a_folder_of_any_name(
    shell: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CDPATH", "/")
    (tmp_path / name).mkdir()

    out, _, _ = through(shell, render_line(["pwd"], cwd=name))

    assert out.decode() == f"{tmp_path / name}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_missing_folder_is_reported(shell: str) -> None:
    assert through(shell, render_line(["pwd"], cwd="/no/such"))[1].answer == "folder"


def test_programs_in_sbin_folders_are_found_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    out, _, _ = through("sh", render_line(["sh", "-c", "echo $PATH"]))

    assert out == b"/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n"


@pytest.mark.parametrize(
    ("argv", "env", "cwd", "why"),
    [
        ([], {}, None, "not a program's name"),
        ([""], {}, None, "not a program's name"),
        (["-c"], {}, None, "not a program's name"),
        (["true", "a\0b"], {}, None, "NUL"),
        (["true"], {"A": "\0"}, None, "NUL"),
        (["true"], {}, "\0", "NUL"),
        (["true"], {"A B": ""}, None, "'A B' is not a variable's name"),
        (["true"], {"": ""}, None, "'' is not a variable's name"),
        (["true"], {"A=B;id": ""}, None, "is not a variable's name"),
        (["true"], {"A\n": ""}, None, "is not a variable's name"),
        (["a=b"], {"A": ""}, None, "read its name as a variable"),
        (["true", "x" * MAX_LINE], {}, None, "a line holds 131071"),
    ],
)
def test_invalid_arguments_are_refused(argv: list[str], env: dict[str, str], cwd: str | None, why: str) -> None:
    with pytest.raises(IsolationError, match=why) as error:
        render_line(argv, env, cwd, "debian12")

    assert str(error.value).startswith("cannot run '")
    assert "on 'debian12'" in str(error.value)


def test_the_longest_line_runs() -> None:
    spare = MAX_LINE - len(render_line(["true", ""])) + len("''")

    assert through("sh", render_line(["true", "x" * spare]))[1].pid > 0
    with pytest.raises(IsolationError, match="standard input"):
        render_line(["true", "x" * (spare + 1)])


# --- the preamble


@given(st.binary(max_size=50), st.binary(max_size=50), st.lists(st.integers(0, 130), max_size=5))
def test_the_preamble_is_removed_however_it_is_split(before: bytes, after: bytes, cuts: list[int]) -> None:
    whole = before + b"\nisolation pid 77\n" + after
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    preamble = Preamble()

    rest = b"".join(preamble.feed(whole[start:end]) for start, end in itertools.pairwise(at)) + preamble.end()

    assert preamble.pid == 77
    assert rest == before + after


def test_a_second_preamble_is_output() -> None:
    preamble = Preamble()

    rest = preamble.feed(b"\nisolation pid 7\n\nisolation pid 8\n") + preamble.feed(b"\nisolation absent\n")

    assert preamble.pid == 7
    assert rest == b"\nisolation pid 8\n\nisolation absent\n"


def test_output_without_a_preamble_is_bounded() -> None:
    preamble = Preamble()

    rest = preamble.feed(b"x" * MAX_STDERR) + preamble.feed(b"yz")

    assert preamble.answer is None
    assert rest == b"x" * MAX_STDERR + b"yz"


# --- keys


def test_a_host_key_line_is_parsed() -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.login import parse_host_key

    assert parse_host_key(KEY_LINE, "debian12") == ("ssh-ed25519", KEY)
    assert parse_host_key(f"{KEY_LINE} root@debian12\n", "debian12") == ("ssh-ed25519", KEY)


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "ssh-ed25519 !!", f"ssh-rsa {KEY_LINE.split()[1]}", "ssh-ed25519 AAAA", KEY_LINE[:-20], "é é"],
)
def test_an_invalid_host_key_line_is_quoted(line: str) -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.login import parse_host_key

    with pytest.raises(IsolationError, match="cannot read the host key of 'debian12'"):
        parse_host_key(line, "debian12")


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_a_fingerprint_equals_that_of_ssh_keygen(tmp_path: Path) -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.login import fingerprint

    (tmp_path / "key.pub").write_text(KEY_LINE)
    argv = ["ssh-keygen", "-l", "-f", str(tmp_path / "key.pub")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=True)

    assert fingerprint(KEY) == done.stdout.split()[1]


def test_a_wrong_host_key_names_the_machine_and_both_fingerprints() -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.login import fingerprint, wrong_host_key

    text = str(wrong_host_key("debian12", KEY, KEY[:-1] + b"x"))

    assert "\n" not in text
    assert text.startswith("cannot trust 'debian12': ")
    assert fingerprint(KEY) in text
    assert fingerprint(KEY[:-1] + b"x") in text


@pytest.mark.parametrize("path", ["relative", "", "/folder/"])
def test_a_file_needs_an_absolute_path(path: str) -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.ssh import SshConnection

    with pytest.raises(IsolationError, match="not an absolute path of a file"):
        SshConnection(None, "debian12").put(path, b"")  # type: ignore[arg-type]


@pytest.mark.parametrize("owner", ["", ":", "a:b:c", "-R", "a b", "$(id)", "a:"])
def test_an_invalid_owner_is_refused(owner: str) -> None:
    pytest.importorskip("fabric", reason="needs the extra [lab]")
    from provisioner.connection.ssh import SshConnection

    with pytest.raises(IsolationError, match="is not USER or USER:GROUP"):
        SshConnection(None, "debian12").put("/a", b"", owner=owner)  # type: ignore[arg-type]


def test_sudo_keeps_the_variables() -> None:
    line = render_line(["id", "-u"], {"LANG": "C"}, sudo=True)

    assert line.endswith(b"exec sudo -n -- env LANG=C id -u")
    assert render_line(["id", "-u"]).endswith(b"exec id -u")
