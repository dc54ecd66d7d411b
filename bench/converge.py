"""How much an apply that changes nothing costs, against ansible-core with the same steps on the same machine.

    python bench/converge.py [ROUNDS] [docker | "all four roles"]

One machine under QEMU, with the packages of all roles baked in; for ansible's sake its box also has python3 and
python3-apt, which no other box of ours has.  ansible-core comes from PyPI into a virtual environment of its own.  Every
round runs each contestant once, in an order of its own; a figure is the median over rounds of the contestant's time
divided by that of ours in the same round.  "ours, again" is the A/A pair: what it is off from 1 is what this machine
cannot measure.  Beside the times stand counts, which noise does not move.

Ansible gathers no facts here, and keeps its connection open between runs: it is as quick as it can be configured to be.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import converge
from provisioner.converge.role import Role, load_roles
from provisioner.converge.state import Wanted, collect_wanted
from provisioner.machines.qemu.machine import QemuMachine
from provisioner.paths import cache_dir
from provisioner.progress import step

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / "e2e"), str(Path(__file__).parents[1] / "tests")]
import live_converge  # noqa: E402  # the tests' own machine

ANSIBLE = "ansible-core==2.19.*"
ROLES = {"docker": ("docker",), "all four roles": ("docker", "podman", "runc", "lxc")}
OURS = "ours, a process each"
COUNT = "grep ^processes /proc/stat; grep ^Tcp: /proc/net/snmp"
# counts the SSH clients that ansible starts; each asks for one session
CLIENT = """\
#!/bin/sh
case " $* " in *" -O "*) ;; *) echo >>{count};; esac
exec ssh "$@"
"""
COLD = """\
import sys
from pathlib import Path
from provisioner.converge.apply import converge
from provisioner.converge.role import load_roles
from provisioner.connection.address import SshAddress
from provisioner.connection.ssh import SshConnection
host, port, user, key, host_key, *names = sys.argv[1:]
connection = SshConnection(SshAddress(host, int(port), user, Path(key), host_key), "bench")
done = converge(connection, load_roles(names), {})
connection.close()
assert (done.changed, done.round_trips) == (0, 1), done
"""


@dataclass
class Counts:
    """What one contestant's runs cost, a list each."""

    seconds: list[float] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)


Run = Callable[[], int]  # returns how many sessions it asked for


def find_ansible() -> Path:
    """Return ansible-playbook, installed from PyPI on first use."""
    folder = cache_dir() / "bench" / re.sub(r"[^a-z0-9.]", "_", ANSIBLE)
    program = folder / "bin" / "ansible-playbook"
    if not program.exists():
        with step(f"install {ANSIBLE}"):
            venv.create(folder, with_pip=True, clear=True)
            argv = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", ANSIBLE]
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=600)
    return program


def render_playbook(wanted: Wanted) -> str:
    """Return the same steps in ansible's words, as far as ansible-core has modules; JSON is YAML."""
    kinds = wanted.kinds
    packages = {"name": list(kinds["package"]), "state": "present", "install_recommends": False}
    tasks: list[dict[str, object]] = [{"ansible.builtin.apt": packages}]
    tasks += [_shell(f"[ -d /sys/module/{name} ] || modprobe {name}") for name in kinds["module"]]
    files = {path: (one.content.decode(), one.mode, one.owner, one.group) for path, one in kinds["file"].items()}
    if kinds["module"]:
        files["/etc/modules-load.d/90-isolation.conf"] = (_lines(kinds["module"]), 0o644, "root", "root")
    if kinds["sysctl"]:
        lines = [f"{key}={value}" for key, value in kinds["sysctl"].items()]
        files["/etc/sysctl.d/90-isolation.conf"] = (_lines(lines), 0o644, "root", "root")
    for path, (content, mode, owner, group) in files.items():
        details = {"dest": path, "content": content, "mode": f"{mode:04o}", "owner": owner, "group": group}
        tasks.append({"ansible.builtin.copy": details})
    for key, value in kinds["sysctl"].items():
        tasks.append(_shell(f'[ "$(cat /proc/sys/{key})" = "{value}" ] || echo "{value}" >/proc/sys/{key}'))
    for name, unit in kinds["service"].items():
        asked = {"name": name, "state": unit.state, "enabled": unit.enabled}
        given = {key: value for key, value in asked.items() if value is not None}
        tasks.append({"ansible.builtin.systemd_service": given})
    return json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}])


def _shell(line: str) -> dict[str, object]:
    return {"ansible.builtin.shell": line, "changed_when": False}


def _lines(words: Sequence[str]) -> str:
    return "".join(f"{word}\n" for word in words)


def ansible(machine: QemuMachine, folder: Path, wanted: Wanted, pipelining: bool) -> Run:
    """Prepare one configuration of ansible; its run must find nothing to change."""
    folder.mkdir()
    address, count, client = machine.ssh(), folder / "count", folder / "ssh"
    client.write_text(CLIENT.format(count=count))
    client.chmod(0o755)
    (folder / "known").write_text(f"[{address.host}]:{address.port} {address.host_key}\n")
    (folder / "play.yaml").write_text(render_playbook(wanted))
    (folder / "ansible.cfg").write_text("[defaults]\n")  # no other is read then
    (folder / "hosts").write_text(
        f"bench ansible_host={address.host} ansible_port={address.port} ansible_user={address.user}"
        f" ansible_ssh_private_key_file={address.private_key} ansible_python_interpreter=/usr/bin/python3\n"
    )
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_PIPELINING": str(pipelining),
        "ANSIBLE_SSH_EXECUTABLE": str(client),
        "ANSIBLE_SSH_ARGS": f"-F none -o ControlMaster=auto -o ControlPersist=600 -o IdentitiesOnly=yes"
        f" -o UserKnownHostsFile={folder / 'known'}",
        "ANSIBLE_NOCOLOR": "1",
    }
    argv = [str(find_ansible()), "-i", str(folder / "hosts"), str(folder / "play.yaml")]

    def run() -> int:
        count.write_text("")
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800
        )
        assert re.search(r"ok=\d+ +changed=0 .*failed=0", done.stdout), (done.stdout[-3000:], done.stderr[-3000:])
        return count.read_text().count("\n")

    return run


def ours_cold(machine: QemuMachine, names: Sequence[str]) -> Run:
    """A process and a connection of its own, as a command line has them."""
    address = machine.ssh()
    key = str(address.private_key)
    argv = [sys.executable, "-c", COLD, address.host, str(address.port), address.user, key, address.host_key, *names]
    environment = {**os.environ, "PYTEST_ISOLATION_QUIET": "1"}

    def run() -> int:
        subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=600)
        return 1

    return run


def ours_warm(connection: SshConnection, roles: Sequence[Role]) -> Run:
    def run() -> int:
        counting = live_converge.CountingConnection(connection)
        assert converge(counting, roles, {}).changed == 0
        return counting.sessions

    return run


def bare(connection: SshConnection) -> Run:
    """The floor: a session in which nothing is done."""

    def run() -> int:
        connection.run(["true"], 60)
        return 1

    return run


def read_counters(connection: SshConnection) -> tuple[int, int]:
    """Return the processes that the guest has started so far, and the connections that it has accepted."""
    lines = live_converge.hand(connection, COUNT).splitlines()
    return int(lines[0].split()[1]), int(lines[2].split()[6])


def measure(contestants: Mapping[str, Run], observer: SshConnection, rounds: int) -> dict[str, Counts]:
    found = {name: Counts() for name in contestants}
    idle = [read_counters(observer) for _ in range(3)]
    own = idle[2][0] - idle[1][0]  # processes of one reading
    for turn in range(rounds + 1):  # the first warms up
        for name in random.sample(sorted(contestants), len(contestants)):
            before = read_counters(observer)
            started = time.perf_counter()
            sessions = contestants[name]()
            seconds = time.perf_counter() - started
            after = read_counters(observer)
            if turn:
                found[name].seconds.append(seconds)
                found[name].sessions.append(sessions)
                found[name].processes.append(after[0] - before[0] - own)
                found[name].connections.append(after[1] - before[1])
    return found


def show(title: str, found: Mapping[str, Counts], rounds: int) -> None:
    print(f"\n{title}, {rounds} rounds")
    print(f"  {'':34}{'s':>8}  {'times ours (quartiles)':28}{'sessions':>9}{'connections':>12}{'guest processes':>16}")
    for name, mine in found.items():
        ratios = sorted(one / our for one, our in zip(mine.seconds, found[OURS].seconds, strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4)
        spread = f"{middle:.2f}  ({low:.2f} to {high:.2f})"
        print(
            f"  {name:34}{statistics.median(mine.seconds):8.2f}  {spread:28}{statistics.median(mine.sessions):9.0f}"
            f"{statistics.median(mine.connections):12.0f}{statistics.median(mine.processes):16.0f}"
        )


def main() -> None:
    rounds = max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 5
    find_ansible()
    bake = [*live_converge.packages_of(*ROLES["all four roles"]), "python3", "python3-apt"]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        machine = stack.enter_context(live_converge.machine_of("bench", bake))
        connect = lambda: stack.enter_context(contextlib.closing(SshConnection(machine.ssh(), "bench")))  # noqa: E731
        connection, observer = connect(), connect()
        converge(connection, load_roles(ROLES["all four roles"]), {})
        for at, (title, names) in enumerate(ROLES.items()):
            if sys.argv[2:] not in ([], [title]):
                continue
            roles = load_roles(names)
            converge(connection, roles, {})  # what the next boot loads is said by these roles alone
            wanted = collect_wanted(roles, {})
            contestants = {
                OURS: ours_cold(machine, names),
                "ours, again (A/A)": ours_cold(machine, names),
                "ours, connection kept": ours_warm(connection, roles),
                "a session that does nothing": bare(connection),
                "ansible-core": ansible(machine, folder / f"plain{at}", wanted, False),
                "ansible-core, pipelining": ansible(machine, folder / f"piped{at}", wanted, True),
            }
            tasks = len(json.loads(render_playbook(wanted))[0]["tasks"])
            show(f"No change: {title}, {tasks} tasks of ansible's", measure(contestants, observer, rounds), rounds)


if __name__ == "__main__":
    main()
