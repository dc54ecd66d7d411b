"""What the tests of converging on a real machine share: a machine, the state that it is in, and a hand in it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from live_box import Spec

from provisioner.connection.local import Completed, Stream
from provisioner.connection.ssh import SshConnection
from provisioner.converge.role import load_roles
from provisioner.journal.run import Run
from provisioner.machines.box.build import build_box
from provisioner.machines.find import role_packages
from provisioner.machines.qemu.machine import QemuMachine
from provisioner.paths import run_dir

NAMES = ("docker", "podman", "runc", "lxc")
ROLES = load_roles(NAMES)
# All that an administrator would call the machine's state: packages, files, units, modules, settings, network.  Which
# units are enabled or masked, the links below /etc/systemd say.
STATE = r"""
section() { echo "# $1"; }
section packages; dpkg-query --show --showformat='${Package} ${Version} ${db:Status-Abbrev}\n'
section files; cd /etc; find . -xdev -printf '%p %y %m %U:%G %l\n' | sort
section contents; find . -xdev -type f -exec sha256sum {} + | sort -k 2
section accounts; cut -d : -f 1 passwd group | sort
section units; systemctl list-units --all --plain --no-legend --no-pager | awk '{print $1, $2, $3, $4}' | sort
section modules; awk '{print $1}' /proc/modules | sort
section settings; grep -s '' /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/* /proc/sys/user/*
section links; ip -brief link | awk '{print $1}' | sort
section rules; iptables-save 2>/dev/null | sed 's/\[[0-9:]*\]//; /^#/d'
"""
# and when each file of it was last touched
TOUCHED = r"""
find /etc /run /var/lib /var/cache /usr/lib/systemd /root -xdev \( -path /run/log -o -path /run/systemd \
  -o -path /var/lib/docker -o -path /var/lib/containerd \) -prune -o -printf '%p %s %T@ %C@\n' | sort
"""


class CountingConnection:
    """A connection that counts what is asked of it."""

    def __init__(self, real: SshConnection) -> None:
        self.name = real.name
        self.sessions = 0
        self._real = real

    def find(self, binary: str) -> str | None:
        return self._real.find(binary)

    def run(
        self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None, inside: bool = False
    ) -> Completed:
        self.sessions += 1
        return self._real.run(argv, timeout, env)

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        self.sessions += 1
        return self._real.start(argv, env, cwd)


def packages_of(*names: str) -> list[str]:
    """Return the packages of roles, as they are baked into a box."""
    return sorted(role_packages(names))


@contextlib.contextmanager
def machine_of(name: str, bake: Sequence[str] = ()) -> Iterator[QemuMachine]:
    """One machine; not below tmp_path, through which the unprivileged QEMU cannot pass."""
    with Run.start() as run:
        folder = run_dir() / f"machine-{secrets.token_hex(4)}"
        made = QemuMachine(Spec(f"{name}-{os.getpid()}"), build_box("debian12", bake), folder, run)
        try:
            made.up()
            yield made
        finally:
            made.down(destroy=True)
            shutil.rmtree(folder, ignore_errors=True)


def hand(connection: SshConnection, line: str) -> str:
    """Do something on a machine by hand, and return what it printed."""
    done = connection.run(["sh", "-c", line], 300)
    assert done.status == 0, (line, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout.decode()


def read_sections(connection: SshConnection) -> dict[str, set[str]]:
    """Return the machine's state, as lines below headings."""
    found: dict[str, set[str]] = {}
    for block in re.split(r"^# ", hand(connection, STATE), flags=re.MULTILINE)[1:]:
        heading, _, lines = block.partition("\n")
        found[heading] = set(lines.splitlines())
    return found


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 240) -> None:
    """Poll until something holds; AssertionError when it does not in time."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.05)
