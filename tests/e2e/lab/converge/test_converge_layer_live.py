"""The scripts of converging, run by a real sh as root, in a layer over this machine's root that takes all writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes_converge import FAKE_ANALYZE, FAKE_JOURNALCTL, FAKE_SYSTEMCTL, LayerConnection

from provisioner.converge.apply import Applied, converge
from provisioner.converge.plan import plan_changes, render_diff
from provisioner.converge.resources.file import FileItem
from provisioner.converge.resources.service.units import ServiceItem
from provisioner.converge.role import Role
from provisioner.converge.state import read_present
from provisioner.errors import IsolationError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a layer over the root folder: run as root"),
    pytest.mark.skipif(shutil.which("unshare") is None, reason="apt-get install util-linux"),
]
UNIT = "/lib/systemd/system/web.service"
HOLD = "/run/pytest-isolation/restart/web.service"


@pytest.fixture
def layer(tmp_path: Path) -> LayerConnection:
    """A machine with systemd and one unit that runs."""
    made = LayerConnection(tmp_path, network=False)
    made.give("/usr/local/sbin/systemctl", FAKE_SYSTEMCTL, 0o755)
    made.give("/usr/local/sbin/systemd-analyze", FAKE_ANALYZE, 0o755)
    made.give("/usr/local/sbin/journalctl", FAKE_JOURNALCTL, 0o755)
    made.give(UNIT, "[Service]\nExecStart=true\n")
    made.give("/run/systemd/system/keep", "")
    made.give("/var/lib/fake/active/web.service", "")
    hand(made, "ln -s /lib/systemd/system/web.service /etc/systemd/system/multi-user.target.wants/web.service")
    return made


def hand(layer: LayerConnection, line: str) -> str:
    """Do something there by hand."""
    done = layer.run(["sh", "-c", line], 20)
    layer.starts = 0
    assert done.status == 0, done.stderr
    return done.stdout.decode()


def role(name: str = "web", **resources: Any) -> Role:
    return Role(name, resources=resources)


def text(path: str, content: str, **details: str) -> FileItem:
    return FileItem(path=path, content=content, **details)


def unit(name: str = "web", **details: Any) -> ServiceItem:
    return ServiceItem(name=name, **details)


def shown(layer: LayerConnection, *roles: Role) -> list[str]:
    return render_diff(plan_changes(roles, {}, read_present(layer, roles, {})))


def again(layer: LayerConnection, *roles: Role) -> Applied:
    layer.starts = 0
    return converge(layer, roles, {})


def calls(layer: LayerConnection) -> list[str]:
    """Return what systemctl was asked for since, questions aside."""
    asked = hand(layer, "cat /var/lib/fake/calls 2>/dev/null; rm -f /var/lib/fake/calls").splitlines()
    return [
        line for line in asked if line.split()[0] not in ("list-units", "show", "is-system-running", "reset-failed")
    ]


def test_a_file_is_written_whole_with_owner_and_mode_and_then_left_alone(layer: LayerConnection) -> None:
    one = role(file=[text("/etc/new/deep/x", "a 'b' \"$c\" `d` \\\n%s\n", mode="0600", owner="daemon", group="adm")])

    assert converge(layer, [one], {}).changed == 1
    assert hand(layer, "cat /etc/new/deep/x; stat -c '%a %U:%G' /etc/new/deep/x; ls -A /etc/new/deep") == (
        "a 'b' \"$c\" `d` \\\n%s\n600 daemon:adm\nx\n"
    )
    done = again(layer, one)
    assert (done.changed, done.round_trips, layer.starts) == (0, 1, 1)


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        ("echo more >>/etc/x", "  file /etc/x: content: sha256 ec5ec276a5cc → 87428fc52280"),
        ("chmod 4755 /etc/x", "  file /etc/x: mode: 4755 → 0644"),
        ("chown daemon /etc/x", "  file /etc/x: owner: daemon:root → root:root"),
        ("rm /etc/x", "  file /etc/x: content: absent → 0644 root:root"),
        ("ln -sf /etc/passwd /etc/x", "  file /etc/x: content: a symbolic link → 0644 root:root"),
        ("rm /etc/x; mkfifo /etc/x", "  file /etc/x: content: no regular file → 0644 root:root"),
        (": >/etc/.x.isolation-new; chmod 600 /etc/x", "  file /etc/x: mode: 0600 → 0644"),
    ],
)
def test_drift_of_a_file_is_shown_and_mended(layer: LayerConnection, drift: str, line: str) -> None:
    one = role(file=[text("/etc/x", "a\n")])
    converge(layer, [one], {})
    hand(layer, drift)

    assert shown(layer, one)[1] == line
    assert converge(layer, [one], {}).changed == 1
    assert hand(layer, "cat /etc/x; stat -c '%F %a %U:%G' /etc/x") == "a\nregular file 644 root:root\n"
    assert again(layer, one).changed == 0


def test_a_link_in_the_place_of_a_new_file_is_not_followed(layer: LayerConnection) -> None:
    hand(layer, "ln -s /etc/victim /etc/.x.isolation-new; ln -s /etc/victim /etc/x")
    converge(layer, [role(file=[text("/etc/x", "a\n")])], {})

    assert hand(layer, "ls /etc/victim 2>/dev/null || echo untouched") == "untouched\n"


def test_settings_are_made_now_and_at_boot(layer: LayerConnection) -> None:
    one = role(sysctl={"net.ipv4.conf.lo.forwarding": 1, "net.ipv4.ping_group_range": "1 200"})

    assert converge(layer, [one], {}).changed == 2  # each command has a network namespace of its own: seen inside one
    assert hand(layer, "cat /etc/sysctl.d/90-isolation.conf") == (
        "net/ipv4/conf/lo/forwarding=1\nnet/ipv4/ping_group_range=1 200\n"
    )


def test_a_setting_that_the_kernel_does_not_have_is_one_line(layer: LayerConnection) -> None:
    with pytest.raises(IsolationError) as caught:
        converge(layer, [role(sysctl={"net.ipv4.nothing": 1})], {})

    assert str(caught.value) == "cannot set sysctl 'net/ipv4/nothing' on 'layer': this kernel does not have it"


def test_an_owner_that_is_not_there_is_one_line(layer: LayerConnection) -> None:
    with pytest.raises(IsolationError) as caught:
        converge(layer, [role(file=[text("/etc/x", "a\n", owner="nobodyhere")])], {})

    assert str(caught.value).startswith("cannot give a file to 'nobodyhere:root' on 'layer': no such user")
    assert hand(layer, "ls /etc/x 2>/dev/null || echo none") == "none\n"


def test_a_unit_as_wanted_is_seen_without_a_question_to_systemd(layer: LayerConnection) -> None:
    one = role(service=[unit(state="started", enabled=True)])

    assert shown(layer, one) == ["layer: nothing to change"]
    assert hand(layer, "cat /var/lib/fake/calls").splitlines() == [
        "is-system-running",
        "list-units web.service",
    ]


@pytest.mark.parametrize(
    ("drift", "wanted", "line", "verbs"),
    [
        ("rm /var/lib/fake/active/*", {"state": "started"}, "state: inactive → started", ["start web.service"]),
        (
            "rm /etc/systemd/system/*.wants/web.service",
            {"enabled": True},
            "boot: disabled → enabled",
            ["enable web.service", "daemon-reload"],
        ),
        (
            "rm /var/lib/fake/active/*; ln -s /dev/null /etc/systemd/system/web.service",
            {"state": "started"},
            "unit file: masked → unmasked; state: inactive → started",
            ["unmask web.service", "unmask web.service", "daemon-reload", "start web.service"],
        ),
        (":", {"state": "stopped"}, "state: active → stopped", ["stop web.service"]),
        (":", {"enabled": False}, "boot: enabled → disabled", ["disable web.service", "daemon-reload"]),
    ],
)
def test_drift_of_a_unit_is_shown_and_mended(
    layer: LayerConnection, drift: str, wanted: Mapping[str, Any], line: str, verbs: list[str]
) -> None:
    hand(layer, drift)
    one = role(service=[unit(**wanted)])

    assert shown(layer, one)[1] == f"  service web.service: {line}"
    calls(layer)
    assert converge(layer, [one], {}).changed == 1
    assert calls(layer) == verbs
    assert again(layer, one).changed == 0


def test_a_unit_is_restarted_once_for_a_file_that_changed(layer: LayerConnection) -> None:
    one = role(file=[text("/etc/web", "a\n")], service=[unit(state="started", restart_on=["/etc/web"])])
    converge(layer, [one], {})

    assert calls(layer) == ["restart web.service"]
    assert again(layer, one).changed == 0
    assert calls(layer) == []


def test_a_restart_that_a_cut_off_run_left_due_is_made_up_for(layer: LayerConnection) -> None:
    hand(layer, f"mkdir -p {os.path.dirname(HOLD)}; : >{HOLD}")
    one = role(service=[unit(state="started")])

    assert shown(layer, one)[1] == "  service web.service: restart: due since an interrupted run → restarted"
    converge(layer, [one], {})
    assert calls(layer) == ["restart web.service"]
    assert again(layer, one).changed == 0


def test_a_unit_that_is_held_back_is_released_by_the_next_run(layer: LayerConnection) -> None:
    hand(layer, "rm /var/lib/fake/active/*; ln -s /dev/null /run/systemd/system/web.service")
    one = role(service=[unit(state="started", enabled=True)])

    assert "unit file: masked → unmasked" in shown(layer, one)[1]
    converge(layer, [one], {})
    assert again(layer, one).changed == 0


def test_a_unit_whose_conditions_do_not_hold_there_is_as_wanted(layer: LayerConnection) -> None:
    layer.give(UNIT, "UNMET\n")
    hand(layer, "rm /var/lib/fake/active/*")

    assert shown(layer, role(service=[unit(state="started", enabled=True)])) == ["layer: nothing to change"]


def test_an_alias_is_asked_of_systemd(layer: LayerConnection) -> None:
    hand(layer, "cd /etc/systemd/system; rm *.wants/web.service; ln -s /lib/systemd/system/web.service www.service")
    one = role(service=[unit(enabled=False), unit("www", enabled=False)])
    read_present(layer, [one], {})

    assert "show web.service www.service" in hand(layer, "cat /var/lib/fake/calls")


def test_a_unit_that_fails_is_one_line_with_its_journal_in_the_log(layer: LayerConnection) -> None:
    layer.give(UNIT, "FAILS\n")
    hand(layer, "rm /var/lib/fake/active/*")
    with pytest.raises(IsolationError) as caught:
        converge(layer, [role(service=[unit(state="started")])], {})

    assert str(caught.value).startswith("cannot start 'web.service' on 'layer': it failed")
    assert "the journal says why" in caught.value.log


def test_a_unit_that_is_not_there_is_one_line(layer: LayerConnection) -> None:
    with pytest.raises(IsolationError) as caught:
        converge(layer, [role(service=[unit("wbe", state="started")])], {})

    assert str(caught.value) == ("cannot start 'wbe.service' on 'layer': no such unit; see the services in role.yaml")


def test_steps_before_a_failed_one_stay_done_and_those_after_it_are_made_up_for(layer: LayerConnection) -> None:
    layer.give(UNIT, "FAILS\n")
    one = role(file=[text("/etc/web", "a\n")], service=[unit(state="started", restart_on=["/etc/web"])])
    with pytest.raises(IsolationError):
        converge(layer, [one], {})
    layer.give(UNIT, "[Service]\nExecStart=true\n")
    hand(layer, "rm /var/lib/fake/calls")

    assert hand(layer, "cat /etc/web") == "a\n"
    assert converge(layer, [one], {}).changed == 1
    assert calls(layer) == ["restart web.service"]


def test_reading_leaves_nothing_behind(layer: LayerConnection) -> None:
    one = role(file=[text("/etc/x", "a\n")], service=[unit(state="stopped", enabled=False)], package=["jq"])

    def listing() -> list[tuple[str, int, int]]:
        found = [path for path in layer.upper.rglob("*") if path.name != "calls"]
        return sorted((str(path), path.lstat().st_size, path.lstat().st_ctime_ns) for path in found)

    hand(layer, "touch /var/lib/fake/calls")
    before = listing()
    read_present(layer, [one], {})

    assert listing() == before
