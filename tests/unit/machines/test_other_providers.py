"""The other hypervisors' provider, with a fake Vagrant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.lab import MachineSpec
from provisioner.machines.vagrant.other_providers import OtherProviderMachine, reset_machine

KEY = "ssh-ed25519 AAAAC3Nz"


ELSEWHERE = """
case "$1 $2" in
"up web")
    mkdir -p "$VAGRANT_DOTFILE_PATH/machines/web"
    echo running >"$VAGRANT_HOME/state"
    [ ! -e "$VAGRANT_HOME/broken" ];;
"status web") echo "1,web,state,$(cat "$VAGRANT_HOME/state")";;
"ssh-config web") printf 'Host web\\n HostName 127.0.0.1\\n Port 2222\\n User vagrant\\n IdentityFile %s\\n' "$0";;
"halt web") echo poweroff >"$VAGRANT_HOME/state";;
"destroy web") echo not_created >"$VAGRANT_HOME/state";;
"snapshot list") echo 1,web,ui,detail,one;;
esac
"""


@pytest.fixture
def elsewhere(
    tmp_path: Path, run: Run, fake_vagrant: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> OtherProviderMachine:
    fake_vagrant(ELSEWHERE)
    monkeypatch.setattr("provisioner.machines.vagrant.login.scan_host_key", lambda *arguments: KEY)
    spec = MachineSpec(name="web", box="a/b", hypervisor="virtualbox")
    return OtherProviderMachine(spec, tmp_path / "lab", run)


def test_a_machine_of_another_provider_is_controlled_by_vagrant_only(
    elsewhere: OtherProviderMachine, tmp_path: Path
) -> None:
    assert (elsewhere.status(), elsewhere.snapshots()) == ("absent", [])
    elsewhere.up()
    elsewhere.up()
    address = elsewhere.ssh()

    assert (address.host, address.port, address.user, address.host_key) == ("127.0.0.1", 2222, "vagrant", KEY)
    assert address.netns is None
    assert (elsewhere.status(), elsewhere.snapshots()) == ("running", ["one"])
    elsewhere.down()
    elsewhere.down()
    assert elsewhere.status() == "halted"
    elsewhere.down(destroy=True)
    assert elsewhere.status() == "absent"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call for call in calls if call.split()[0] in ("up", "halt", "destroy")] == [
        "up web --no-provision --provider=virtualbox",
        "halt web",
        "destroy web --force",
    ]


def test_a_machine_of_another_provider_that_does_not_start_is_deleted(elsewhere: OtherProviderMachine) -> None:
    home = elsewhere.directory / "vagrant" / "home"
    home.mkdir(parents=True)
    (home / "broken").touch()

    with pytest.raises(IsolationError, match="cannot start machine 'web': Vagrant: no error message"):
        elsewhere.up()
    assert elsewhere.status() == "absent"


def test_undo_does_not_make_the_folder_of_a_deleted_lab_anew(tmp_path: Path) -> None:
    reset_machine(tmp_path / "lab", "web", "virtualbox", "absent")

    assert list(tmp_path.iterdir()) == []
