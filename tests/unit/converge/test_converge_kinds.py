"""provisioner.converge.resources: what a machine says becomes a state, and a difference becomes steps."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from fakes_converge import aspects

from provisioner.converge.kinds import find_kinds
from provisioner.converge.resources import file, module, package, sysctl
from provisioner.converge.resources.file import PresentFile, WantedFile
from provisioner.converge.resources.package import Packages
from provisioner.converge.resources.sysctl import Sysctls
from provisioner.errors import IsolationError


def test_kinds_are_found_in_the_order_of_applying() -> None:
    assert [kind.NAME for kind in find_kinds()] == ["package", "module", "file", "sysctl", "service"]


@pytest.mark.parametrize("kind", find_kinds(), ids=lambda kind: kind.NAME)
def test_what_no_script_of_ours_prints_is_refused(kind: object) -> None:
    with pytest.raises(ValueError):
        kind.parse_present("something else: entirely\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", find_kinds(), ids=lambda kind: kind.NAME)
def test_a_kind_of_which_nothing_is_wanted_reads_nothing_and_changes_nothing(kind: object) -> None:
    wanted = kind.collect_wanted([])  # type: ignore[attr-defined]

    assert kind.render_read(wanted) == ""  # type: ignore[attr-defined]
    assert kind.diff_state(wanted, kind.parse_present(""), ()) == []  # type: ignore[attr-defined]


# packages


def test_dpkgs_words_are_read() -> None:
    text = "jq ii \ncurl un \nvim rc \nbroken iHR\nold iU \nawk iW \n!interrupted\n"

    assert package.parse_present(text) == Packages(
        {
            "jq": "installed",
            "curl": "absent",
            "vim": "removed, its configuration is left",
            "broken": "to be reinstalled",
            "old": "unpacked",
            "awk": "triggers awaited",
        },
        interrupted=True,
    )


@pytest.mark.parametrize(
    ("release", "installed"),
    [
        ("!debian 12\n", ["docker.io"]),
        ("!debian 13\n", ["docker.io", "docker-cli"]),
        ("!debian 13.1\n", ["docker.io", "docker-cli"]),
        ("!debian 999\n", ["docker.io", "docker-cli"]),  # testing and unstable
        ("", ["docker.io"]),  # Ubuntu 24.04's docker.io has its client
    ],
)
def test_a_package_of_a_later_debian_is_wanted_there(release: str, installed: list[str]) -> None:
    wanted = ("docker.io", package.LaterPackage(name="docker-cli", debian=13))
    changes = package.diff_state(wanted, package.parse_present(f"{release}jq ii \n"), ())

    assert [change.name for change in changes] == installed
    titles = [step.title for step in package.make_steps(wanted, changes)]
    assert titles == ["install " + ", ".join(f"'{name}'" for name in installed)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ID=debian\nVERSION_ID=13\n", "!debian 13"),
        ("ID=debian\n", "!debian 999"),
        ("ID=ubuntu\nVERSION_ID=24.04\n", ""),
        ("", ""),
    ],
)
def test_the_script_reads_the_version_of_debian(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "os-release").write_text(text)
    script = package.READ.replace("/etc/os-release", str(tmp_path / "os-release"))
    run = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)

    assert [line for line in run.stdout.splitlines() if line.startswith("!debian")] == ([said] if said else [])


def test_a_package_of_two_architectures_is_there_when_one_is() -> None:
    assert package.parse_present("libc6 ii \nlibc6 un \n").status == {"libc6": "installed"}


def test_what_dpkg_left_half_way_is_configured_before_anything_is_installed() -> None:
    present = Packages({"other": "half-configured", "jq": "absent"}, interrupted=True)
    changes = package.diff_state(("jq",), present, ())
    steps = package.make_steps(("jq",), changes)

    assert aspects(changes) == [
        ("jq", "status", "absent", "installed"),
        ("other", "status", "half-configured", "configured"),
        ("dpkg", "journal", "left half-way", "finished"),
    ]
    assert [step.title for step in steps] == ["configure what dpkg left half-way", "install 'jq'"]


def test_a_package_whose_triggers_are_pending_is_there() -> None:
    assert package.diff_state(("jq",), Packages({"jq": "triggers pending"}), ()) == []


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        ("E: Unable to locate package jqq\n", "cannot install 'jqq': no such package"),
        ("E: Package 'jqq' has no installation candidate\n", "cannot install 'jqq': no such package"),
        ("Err:1 http://x y\nE: Unable to locate package jq\n", "cannot install packages: its package mirror"),
        ("dpkg: error: x: No space left on device\n", "cannot install packages: there is no space left"),
        ("Errors were encountered while processing:\n jq\n", "cannot install 'jq': its installation script failed"),
    ],
)
def test_apts_words_are_understood(log: str, fault: str) -> None:
    found = package.explain_failure(log)

    assert found is not None
    assert f"cannot {found.what}: {found.why}".startswith(fault)
    assert found.hint


# files


def present_file(content: bytes = b"a\n", mode: int = 0o644, owner: str = "root") -> PresentFile:
    return PresentFile(0o100000, mode, owner, "root", hashlib.sha256(content).hexdigest(), content)


WANTED_FILE = {"/etc/x": WantedFile(b"a\n", 0o644, "root", "root")}


def test_a_file_is_read_with_its_content_where_that_differs() -> None:
    content = base64.b64encode(b"b\n").decode()
    digest = hashlib.sha256(b"b\n").hexdigest()
    text = f"stat 81a4 root adm /etc/x\nsha256 {digest} /etc/x\nbase64 {content} /etc/x\nstat a1ff root root /etc/y\n"

    assert file.parse_present(text) == {
        "/etc/x": PresentFile(0o100000, 0o644, "root", "adm", digest, b"b\n"),
        "/etc/y": PresentFile(0o120000, 0o777, "root", "root"),
    }


def test_a_content_that_differs_is_shown_as_a_unified_diff() -> None:
    [change] = file.diff_state(WANTED_FILE, {"/etc/x": present_file(b"old\na\n")}, ())

    assert change.difference == ("--- /etc/x (present)", "+++ /etc/x (role)", "@@ -1,2 +1 @@", "-old", " a")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (present_file(mode=0o600), [("/etc/x", "mode", "0600", "0644")]),
        (present_file(owner="daemon"), [("/etc/x", "owner", "daemon:root", "root:root")]),
        (PresentFile(0o120000, 0o777, "root", "root"), [("/etc/x", "content", "a symbolic link", "0644 root:root")]),
        (PresentFile(0o010000, 0o644, "root", "root"), [("/etc/x", "content", "no regular file", "0644 root:root")]),
        (present_file(), []),
    ],
)
def test_what_differs_of_a_file_is_named(found: PresentFile, expected: list[tuple[str, str, str, str]]) -> None:
    assert aspects(file.diff_state(WANTED_FILE, {"/etc/x": found}, ())) == expected


def test_a_folder_is_never_overwritten() -> None:
    with pytest.raises(IsolationError, match="cannot write file '/etc/x': a folder is there; move the folder away"):
        file.diff_state(WANTED_FILE, {"/etc/x": PresentFile(0o040000, 0o755, "root", "root")}, ())


def test_bytes_that_are_no_text_are_compared_and_not_shown() -> None:
    [change] = file.diff_state(WANTED_FILE, {"/etc/x": present_file(b"\xff")}, ())

    assert change.difference == ()


def test_a_mode_alone_is_mended_without_writing() -> None:
    changes = file.diff_state(WANTED_FILE, {"/etc/x": present_file(mode=0o600)}, ())
    [step] = file.make_steps(WANTED_FILE, changes)

    assert "base64" not in step.script


# modules and settings


def test_a_module_that_a_role_no_longer_names_leaves_the_file_for_the_next_boot() -> None:
    present = module.parse_present("loaded veth\nboot veth\nboot gone\n")
    changes = module.diff_state(("veth",), present, ())

    assert aspects(changes) == [("gone", "at boot", "loaded", "not named by a role")]
    assert "gone" not in module.make_steps(("veth",), changes)[0].script


def test_values_of_several_words_are_compared_by_their_words() -> None:
    text = "/proc/sys/net/ipv4/ping_group_range:1\t0\n/etc/sysctl.d/90-isolation.conf:net/ipv4/ping_group_range=1  0\n"
    present = sysctl.parse_present(text)

    assert sysctl.diff_state({"net/ipv4/ping_group_range": "1 0"}, present, ()) == []


def test_a_setting_differs_now_and_at_boot_by_itself() -> None:
    present = Sysctls({"vm/swappiness": "60"}, {"vm/swappiness": "10"})
    changes = sysctl.diff_state({"vm/swappiness": "10"}, present, ())

    assert aspects(changes) == [("vm/swappiness", "now", "60", "10")]
    assert [step.title for step in sysctl.make_steps({"vm/swappiness": "10"}, changes)] == [
        "set sysctl 'vm/swappiness'"
    ]


def test_a_key_with_dots_in_a_name_is_the_path_that_sysctl_d_means() -> None:
    assert [sysctl._slashes(key) for key in ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding")] == [
        "net/ipv4/conf/eth0.1/forwarding",
        "net/ipv4/conf/eth0.1/forwarding",
    ]
