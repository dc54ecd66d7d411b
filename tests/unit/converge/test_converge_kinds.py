"""provisioner.converge.resources: what a machine says becomes a state, and a difference becomes steps."""

from __future__ import annotations

import base64
import hashlib

import pytest

from provisioner.converge.kinds import Aspect, Change, find_kinds
from provisioner.converge.resources import file, module, package, service, sysctl
from provisioner.converge.resources.file import PresentFile, WantedFile
from provisioner.converge.resources.package import Packages
from provisioner.converge.resources.service.units import HELD, PresentService, Services, WantedService
from provisioner.converge.resources.sysctl import Sysctls
from provisioner.errors import IsolationError

RUNNING = PresentService("loaded", "active", "enabled")
WRITTEN = Change("file", "/etc/docker/daemon.json", (Aspect("content", "absent", "0644 root:root"),))
INSTALLED = Change("package", "docker.io", (Aspect("status", "absent", "installed"),))
DOCKER = {"docker.service": WantedService("started", True, ("/etc/docker/daemon.json",))}


def aspects(changes: list[Change]) -> list[tuple[str, str, str, str]]:
    return [(change.name, one.what, one.before, one.after) for change in changes for one in change.aspects]


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


# services


def test_units_are_read_from_what_is_evident_and_from_what_systemd_was_asked() -> None:
    text = (
        "unit docker.service loaded active enabled\ndue docker.service\n"
        "Id=ssh.service\nLoadState=loaded\nActiveState=active\nUnitFileState=alias\n\n"
        "Id=gone.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
        "asked sshd.service\nasked gone.service\n"
    )

    assert service.parse_present(text).units == {
        "docker.service": PresentService("loaded", "active", "enabled", due=True),
        "sshd.service": PresentService("loaded", "active", "alias"),
        "gone.service": PresentService("not-found", "absent", "absent"),
    }


def test_an_answer_about_fewer_units_than_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="systemctl showed 1 units, not 2"):
        service.parse_present("Id=a\nLoadState=loaded\nActiveState=active\nasked a.service\nasked b.service\n")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (RUNNING, []),
        (PresentService("loaded", "inactive", "enabled"), [("state", "inactive", "started")]),
        (PresentService("loaded", "failed", "enabled"), [("state", "failed", "started")]),
        (PresentService("loaded", "active", "disabled"), [("boot", "disabled", "enabled")]),
        (PresentService("loaded", "active", "static"), []),
        (
            PresentService("masked", "active", "masked"),
            [("unit file", "masked", "unmasked"), ("boot", "masked", "enabled")],
        ),
        (
            PresentService("loaded", "active", "enabled", due=True),
            [("restart", "due since an interrupted run", "restarted")],
        ),
        (
            PresentService("loaded", "active", "enabled", reload=True),
            [("unit file", "changed since systemd read it", "read again")],
        ),
    ],
)
def test_what_differs_of_a_service_is_named(found: PresentService, expected: list[tuple[str, str, str]]) -> None:
    changes = service.diff_state(DOCKER, Services({"docker.service": found}), ())

    assert aspects(changes) == [("docker.service", *one) for one in expected]


def test_a_service_is_restarted_when_its_file_is_written_and_not_started_beside() -> None:
    found = Services({"docker.service": PresentService("loaded", "inactive", "enabled")})
    steps = service.make_steps(DOCKER, service.diff_state(DOCKER, found, (WRITTEN,)))

    assert [(step.rank, step.title) for step in steps] == [(0, "note what is due"), (50, "restart 'docker.service'")]


def test_a_service_that_its_package_brings_is_held_back_and_started_once() -> None:
    found = Services({"docker.service": PresentService("not-found", "absent", "absent")})
    changes = service.diff_state(DOCKER, found, (INSTALLED, WRITTEN))
    steps = service.make_steps(DOCKER, changes)

    assert aspects(changes)[0] == ("docker.service", "unit file", "absent", HELD)
    assert [(step.rank, step.title) for step in steps] == [
        (0, "hold back 'docker.service'"),
        (50, "enable, disable or unmask 'docker.service'"),
        (50, "start 'docker.service'"),
    ]


def test_a_service_that_was_held_back_by_a_run_that_was_cut_off_is_released() -> None:
    wanted = {"lxc.service": WantedService("stopped", False)}
    found = Services({"lxc.service": PresentService("masked", "inactive", "masked-runtime")})

    assert aspects(service.diff_state(wanted, found, ())) == [("lxc.service", "unit file", "masked", "unmasked")]


def test_a_service_of_which_a_role_says_nothing_is_left_to_its_package() -> None:
    wanted = {"podman.service": WantedService(None, None)}
    found = Services({"podman.service": PresentService("not-found", "absent", "absent")})

    assert service.diff_state(wanted, found, (INSTALLED,)) == []


def test_a_service_that_its_package_enables_is_disabled_though_its_state_is_left_open() -> None:
    wanted = {"podman.service": WantedService(enabled=False)}
    found = Services({"podman.service": PresentService("not-found", "absent", "absent")})

    changes = service.diff_state(wanted, found, (INSTALLED,))

    assert aspects(changes) == [("podman.service", "boot", "absent", "disabled")]
    assert [step.rank for step in service.make_steps(wanted, changes)] == [50], "after the package is there"
    assert service.diff_state(wanted, found, ()) == [], "what nothing brings is disabled already"


def test_what_stops_does_so_before_files_change() -> None:
    wanted = {"lxc-net.service": WantedService("stopped", False)}
    found = Services({"lxc-net.service": RUNNING})
    steps = service.make_steps(wanted, service.diff_state(wanted, found, ()))
    stop = next(step for step in steps if step.title.startswith("stop"))

    assert stop.rank < file.RANK


def test_a_unit_that_is_written_is_read_again_and_that_is_noted_first() -> None:
    wanted = {"web.service": WantedService("started", True, ("/etc/systemd/system/web.service",))}
    written = Change("file", "/etc/systemd/system/web.service", (Aspect("content", "a", "b"),))
    steps = service.make_steps(wanted, service.diff_state(wanted, Services({"web.service": RUNNING}), (written,)))

    assert [step.title for step in steps] == ["note what is due", "reload the unit files", "restart 'web.service'"]
    assert "/run/pytest-isolation/reload/web.service" in steps[0].script


def test_a_machine_without_systemd_is_refused() -> None:
    with pytest.raises(IsolationError, match=r"cannot converge service 'docker\.service': systemd does not run there"):
        service.diff_state(DOCKER, service.parse_present("!offline\n"), ())


@pytest.mark.parametrize(
    ("log", "fault"),
    [
        ("Failed to start wbe.service: Unit wbe.service not found.\n", "start 'wbe.service': no such unit"),
        ("Job for web.service failed because the control process exited.\n", "start 'web.service': it failed"),
    ],
)
def test_systemctls_words_are_understood(log: str, fault: str) -> None:
    found = service.explain_failure(log)

    assert found is not None
    assert f"{found.what}: {found.why}".startswith(fault)
    assert found.hint
