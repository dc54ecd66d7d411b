"""How much a command over SSH costs, against its peers, on a loopback sshd of its own.

    python bench/ssh.py [ROUNDS]

Every round runs each contestant once, in an order of its own; a figure is the median over rounds of the contestant's
time divided by that of raw paramiko with TCP_NODELAY in the same round.  "raw, again" is the A/A pair: what it is off
from 1 is what this machine cannot measure.
"""

from __future__ import annotations

import contextlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fabric
import paramiko

from provisioner.connection.address import SshAddress
from provisioner.connection.login import log_in
from provisioner.connection.ssh import SshConnection

sys.path[:0] = [str(Path(__file__).parents[1] / "tests")]
import sshd  # noqa: E402  # the tests' own server

WORK = {"true": ["true"], "a megabyte": ["head", "-c", "1048576", "/dev/zero"]}
RAW = "raw paramiko, nodelay"
Call = Callable[[list[str]], object]


def read_raw(transport: paramiko.Transport, argv: list[str]) -> None:
    channel = transport.open_session(timeout=10)
    channel.exec_command("exec " + " ".join(argv))
    while channel.recv(1 << 16):
        pass
    assert channel.recv_exit_status() == 0
    channel.close()


def connect_fabric(address: SshAddress) -> fabric.Connection:
    """Fabric as its users have it; Nagle's algorithm is on."""
    return fabric.Connection(
        address.host,
        user=address.user,
        port=address.port,
        config=fabric.Config(lazy=True, ssh_config=paramiko.SSHConfig()),
        connect_kwargs={"key_filename": str(address.private_key), "look_for_keys": False, "allow_agent": False},
    )


@contextlib.contextmanager
def control_master(address: SshAddress, folder: Path) -> Iterator[Call]:
    """OpenSSH with one master connection: each command is a process that asks the master."""
    (folder / "known").write_text(f"[{address.host}]:{address.port} {address.host_key}\n")
    options = {"UserKnownHostsFile": folder / "known", "ControlPath": folder / "control", "IdentitiesOnly": "yes"}
    argv = ["ssh", "-F", "none", "-i", str(address.private_key), "-p", str(address.port), "-T"]
    argv += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    target = f"{address.user}@{address.host}"
    master = subprocess.Popen([*argv, "-M", "-N", target], stdin=subprocess.DEVNULL)
    try:
        while not (folder / "control").exists():
            assert master.poll() is None, "ssh ended"
            time.sleep(0.02)
        yield lambda command: run([*argv, target, "exec", *command])
    finally:
        master.terminate()
        master.wait(10)


def run(argv: list[str]) -> bytes:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60).stdout


def measure(contestants: dict[str, Call], argv: list[str], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 3):  # the first three warm up
        for name in random.sample(sorted(contestants), len(contestants)):
            started = time.perf_counter()
            contestants[name](argv)
            if turn >= 3:
                times[name].append(time.perf_counter() - started)
    return times


def show(title: str, times: dict[str, list[float]]) -> None:
    print(f"\n{title}, {len(times[RAW])} rounds{'':30}ms   more than raw, ms   times raw (quartiles)")
    for name, mine in times.items():
        ratios = sorted(one / raw for one, raw in zip(mine, times[RAW], strict=True))
        more = statistics.median(one - raw for one, raw in zip(mine, times[RAW], strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4) if name != RAW else (1.0, 1.0, 1.0)
        print(
            f"  {name:40}{statistics.median(mine) * 1000:12.2f}{more * 1000:+16.2f}"
            f"{middle:16.2f}  ({low:.2f} to {high:.2f})"
        )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(sshd.serving(folder)).address
        ours = stack.enter_context(contextlib.closing(SshConnection(address, "bench")))
        nagle = stack.enter_context(contextlib.closing(SshConnection(address, "bench")))
        nagle.run(["true"], 60)
        nagle._transport().sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        plain = stack.enter_context(connect_fabric(address))
        quick = log_in(address, "bench")
        stack.callback(quick.client.close)
        raw = log_in(address, "bench")
        stack.callback(raw.client.close)
        multiplexed = stack.enter_context(control_master(address, folder))
        contestants: dict[str, Call] = {
            RAW: lambda argv: read_raw(raw.transport, argv),
            "raw, again (A/A)": lambda argv: read_raw(raw.transport, argv),
            "ours": lambda argv: ours.run(argv, 60),
            "ours, with Nagle's algorithm": lambda argv: nagle.run(argv, 60),
            "fabric.Connection.run": lambda argv: plain.run("exec " + " ".join(argv), hide=True),
            "fabric.Connection.run, nodelay": lambda argv: quick.run("exec " + " ".join(argv), hide=True),
            "OpenSSH, ControlMaster": multiplexed,
        }
        for title, argv in WORK.items():
            show(title, measure(contestants, argv, rounds if title == "true" else max(10, rounds // 5)))


if __name__ == "__main__":
    main()
