"""What Vagrant prints is parsed, whatever else is in its output."""

from __future__ import annotations

import pytest
from vagrant_answers import CONFIG, STATUS

from provisioner.machines.vagrant.output import (
    SshConfig,
    explain,
    parse_lines,
    parse_phase,
    parse_snapshots,
    parse_ssh_config,
    parse_state,
)


def test_a_state_is_read_from_the_lines_of_its_machine() -> None:
    assert (parse_state(STATUS, "web"), parse_state(STATUS, "db")) == ("running", "shutoff")
    assert parse_state(STATUS, "nobody") is None
    assert parse_state("", "web") is None


def test_unknown_kinds_and_other_lines_are_skipped() -> None:
    lines = parse_lines(STATUS)

    assert lines[-1].data[1:] == ("one, two\nthree",)
    assert all(line.kind != "nonsense" for line in lines)
    assert sum(line.kind == "brand-new-kind" for line in lines) == 2


def test_ssh_config_has_the_keys_of_its_machine_only() -> None:
    assert SshConfig("192.168.121.75", 2222, "vagrant", ("/home/a b/key", "/second")) == parse_ssh_config(CONFIG, "web")
    assert SshConfig("10.0.0.9", 22, "nobody", ()) == parse_ssh_config(CONFIG, "db")
    assert parse_ssh_config(CONFIG, "other") is None
    assert parse_ssh_config("Host web\n  HostName a\n  Port none\n", "web") is None


def test_the_text_that_there_are_no_snapshots_is_no_name() -> None:
    some = "1,web,ui,output,\n1,web,ui,detail,one+1a2b\n1,db,ui,detail,other\n1,web,ui,detail,two\n"
    none = "1,web,ui,output,No snapshots have been taken yet!\n1,web,ui,detail,You can take a snapshot using `x`.\n"

    assert parse_snapshots(some, "web") == ["one+1a2b", "two"]
    assert parse_snapshots(none, "web") == []


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        (
            "==> web: Creating image (snapshot of base box volume).",
            "vagrant: creating image (snapshot of base box volume)",
        ),
        ("==> web: Machine booted and ready!", "vagrant: machine booted and ready!"),
        ("==> web:  -- Cpus:              2", None),
        ("==> db: Starting domain.", None),
        ("    web: SSH address: 192.168.121.75:22", None),
        ("==> web: ", None),
    ],
)
def test_a_phase_is_read_from_the_lines_of_its_machine(line: str, phase: str | None) -> None:
    assert phase == parse_phase(line, "web")


@pytest.mark.parametrize(
    ("stderr", "why", "hint"),
    [
        (
            "The provider 'libvirt' could not be found, but was requested to\nback the machine 'web'.",
            "its plugin vagrant-libvirt is not installed",
            "apt-get install --no-install-recommends vagrant vagrant-libvirt; or `provider: qemu`",
        ),
        ("Timed out while waiting for the machine to boot.\nx", "it did not answer by SSH in time", ""),
        (
            "The box failed to unpackage properly. Please verify that\n\nx box.img: Truncated tar archive",
            "the box file is damaged or truncated",
            "get it again, or free some space",
        ),
        (
            "The box 'a/b' could not be found or\ncould not be accessed in the remote catalog. If this is a private",
            "the box is not installed, and cannot be downloaded",
            "vagrant box add --name NAME FILE; or `box: debian12`",
        ),
        (
            "Error while creating domain: invalid argument: could not find capabilities for domaintype=kvm ",
            "KVM cannot be used here",
            "`driver: qemu` in lab.yaml",
        ),
        ("/usr/lib/x.rb:1: warning: old\n\nSome\nreason.\n\nA hint.\n", "Some reason.", ""),
        ("An error occurred:\n\nthe real\nreason\n", "the real reason", ""),
        ("[fog][WARNING] Unrecognized arguments\n", "no error message", ""),
        ("bell \a and escape \x1b[31m", "bell ? and escape ?[31m", ""),
    ],
)
def test_a_failure_is_one_line_with_a_hint(stderr: str, why: str, hint: str) -> None:
    found = explain(stderr)

    assert why == found[0]
    assert found[1].startswith(hint)
    assert "\n" not in "".join(found)
