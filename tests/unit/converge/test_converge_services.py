"""provisioner.converge.resources.service: which units differ, and which step starts, stops or restarts them."""

from __future__ import annotations

import pytest
from fakes_converge import aspects

from provisioner.converge.kinds import Aspect, Change
from provisioner.converge.resources import file, service
from provisioner.converge.resources.service.units import HELD, PresentService, Services, WantedService
from provisioner.errors import IsolationError

RUNNING = PresentService("loaded", "active", "enabled")
WRITTEN = Change("file", "/etc/docker/daemon.json", (Aspect("content", "absent", "0644 root:root"),))
INSTALLED = Change("package", "docker.io", (Aspect("status", "absent", "installed"),))
DOCKER = {"docker.service": WantedService("started", True, ("/etc/docker/daemon.json",))}


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
