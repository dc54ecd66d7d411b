"""The requests `net try` and `net serve` (network/), in network namespaces of the test's own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from own_network import FAR, FAR6, NEAR, NEAR6, OwnNetwork, needs_own_network, own_network
from served_probe import INPUT, Served, output

from provisioner.probe import net_tries
from provisioner.probe.net_tries import (
    Attempt,
    Try,
    parse_served,
    parse_tries,
    serve_argv,
    socket_word,
    try_argv,
    try_input,
)

PORT = 1000
ANY = [socket_word(protocol, address, PORT) for protocol in ("tcp", "udp") for address in ("0.0.0.0", "::")]
pytestmark = needs_own_network


@pytest.fixture(scope="module")
def network() -> Iterator[OwnNetwork]:
    with own_network() as made:
        yield made


class Server:
    """A server that runs, and what it printed."""

    def __init__(self, process: subprocess.Popen[bytes], first: bytes) -> None:
        self.process = process
        self.printed = first
        self.sockets = parse_served(first).sockets

    def end(self) -> net_tries.Served:
        """Kill it and return all that it printed."""
        self.process.kill()
        self.printed += self.process.communicate(timeout=60)[0]
        return parse_served(self.printed)


@contextmanager
def serving(
    probe: Path, side: tuple[str, ...], *sockets: str, name: str = "far", seconds: int = 30
) -> Iterator[Server]:
    argv = [*side, str(probe), *serve_argv(seconds, name, sockets)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0)
    assert process.stdout is not None
    try:
        yield Server(process, process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=60)


def make(probe: Path, side: tuple[str, ...], *attempts: Attempt, ms: int = 500) -> dict[str, Try]:
    argv = [*side, str(probe), *try_argv(ms)]
    done = subprocess.run(argv, input=try_input(attempts), capture_output=True, timeout=120)

    assert done.returncode == 0, done.stderr
    return {one.id: one for one in parse_tries(done.stdout)}


def attempt(identity: str, protocol: str, address: str, port: int | None = PORT) -> Attempt:
    return Attempt(identity, protocol, address, port, f"token-{identity}")  # type: ignore[arg-type]


def results(tries: dict[str, Try]) -> dict[str, tuple[str, str]]:
    return {name: (one.result, one.error) for name, one in tries.items()}


def test_both_ends_show_the_token_by_tcp_and_udp_of_both_families(probe: Path, network: OwnNetwork) -> None:
    wanted = [attempt(f"{p}-{a}", p, a) for p in ("tcp", "udp") for a in (FAR, FAR6)]
    with serving(probe, network.far, *ANY) as server:
        tries = make(probe, network.near, *wanted)
        seen = server.end()

    assert [one.state for one in seen.sockets] == ["listening"] * 4
    assert {one.id: one.answer for one in tries.values()} == {one.id: f"far {one.token}" for one in wanted}
    assert {one.result for one in tries.values()} == {"reached"}
    assert {(one.protocol, one.token) for one in seen.tokens} == {(one.protocol, one.token) for one in wanted}
    assert {one.local.rsplit(":", 1)[0].strip("[]") for one in seen.tokens} == {FAR, FAR6}
    assert {one.sender.rsplit(":", 1)[0] for one in seen.tokens if one.local.startswith(FAR)} == {NEAR}


def test_a_datagram_is_answered_from_the_address_that_it_was_sent_to(probe: Path, network: OwnNetwork) -> None:
    network.run(network.far, "ip address add 10.99.0.3/24 dev far")
    with serving(probe, network.far, *ANY) as server:
        tries = make(probe, network.near, attempt("second", "udp", "10.99.0.3"))
        local = server.end().tokens[0].local

    assert (tries["second"].result, tries["second"].sender) == ("reached", f"10.99.0.3:{PORT}")
    assert local == f"10.99.0.3:{PORT}"


@pytest.mark.parametrize("group", [False, True])
def test_an_echo_request_brings_its_token_back(probe: Path, network: OwnNetwork, group: bool) -> None:
    """By a ping socket, and by a raw one where the group is not allowed a ping socket."""
    side, there = (network.near, (FAR, FAR6)) if group else (network.far, (NEAR, NEAR6))
    if group:
        words = [*side, "sh", "-c", "echo 0 0 >/proc/sys/net/ipv4/ping_group_range"]
        subprocess.run(words, check=True, timeout=60)
    wanted = [attempt(f"{a}-{i}", "icmp", a, None) for a in there for i in range(20)]
    wanted.append(attempt("nobody", "icmp", "10.99.0.77", None))
    tries = make(probe, side, *wanted)

    assert tries.pop("nobody").result == "dropped"
    assert {(one.result, one.answer) for one in tries.values()} == {
        ("reached", one.token) for one in wanted if one.id != "nobody"
    }


def test_a_closed_port_refuses_and_icmp_names_who_refused(probe: Path, network: OwnNetwork) -> None:
    tries = make(probe, network.near, *(attempt(f"{p}{a}", p, a, 9) for p in ("tcp", "udp") for a in (FAR, FAR6)))

    assert set(results(tries).values()) == {("refused", "ECONNREFUSED")}
    assert {tries[f"udp{a}"].sender for a in (FAR, FAR6)} == {FAR, FAR6}


def test_routes_and_missing_addresses_are_told_apart(probe: Path, network: OwnNetwork) -> None:
    network.run(
        network.near,
        "ip route add prohibit 10.98.1.0/24",
        "ip route add unreachable 10.98.2.0/24",
        "ip route add blackhole 10.98.3.0/24",
        f"ip route add 10.98.4.0/24 via {FAR}",
    )
    network.run(network.far, "ip route add blackhole 10.98.4.0/24")
    subprocess.run([*network.far, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True, timeout=60)
    places = {
        "no-route": "10.97.0.1",
        "prohibit": "10.98.1.1",
        "unreachable": "10.98.2.1",
        "blackhole": "10.98.3.1",
        "far-blackhole": "10.98.4.1",
        "nobody": "10.99.0.77",
    }
    wanted = [attempt(f"{p}-{n}", p, a) for p in ("tcp", "udp") for n, a in places.items()]
    tries = make(probe, network.near, *wanted)

    for protocol in ("tcp", "udp"):
        assert {name: (tries[f"{protocol}-{name}"].result, tries[f"{protocol}-{name}"].error) for name in places} == {
            "no-route": ("unreachable", "ENETUNREACH"),
            "prohibit": ("unreachable", "EACCES"),
            "unreachable": ("unreachable", "EHOSTUNREACH"),
            "blackhole": ("unreachable", "EINVAL"),
            "far-blackhole": ("dropped", "ETIMEDOUT"),
            "nobody": ("dropped", "ETIMEDOUT"),
        }


def test_the_same_answer_of_another_sender_is_a_stranger(probe: Path, network: OwnNetwork) -> None:
    """A server that answers without the token, one that says nothing, and one that hangs up."""
    script = """
import socket, threading
def serve(answer, port):
    with socket.create_server(("0.0.0.0", port)) as s:
        print("ready", flush=True)
        c, _ = s.accept()
        if answer is None:
            threading.Event().wait(20)
        c.recv(100)
        c.sendall(answer)
        c.close()
for n, answer in enumerate((b"hello token-x\\n", None, b"")):
    threading.Thread(target=serve, args=(answer, 2000 + n), daemon=True).start()
import sys
sys.stdin.read()
"""
    argv = [*network.far, "python3", "-c", script]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        for _ in range(3):
            other.stdout.readline()
        tries = make(probe, network.near, *(attempt(str(n), "tcp", FAR, 2000 + n) for n in range(3)))
        other.communicate(timeout=60)

    assert {name: (one.result, one.answer) for name, one in tries.items()} == {
        "0": ("stranger", "hello token-x"),
        "1": ("stranger", ""),
        "2": ("stranger", ""),
    }


def test_unix_sockets_by_path_and_by_name(probe: Path, network: OwnNetwork, tmp_path: Path) -> None:
    path = f"{tmp_path}/socket"
    with serving(probe, network.near, socket_word("unix", path), socket_word("unix-abstract", "tries")):
        near = make(
            probe,
            network.near,
            attempt("path", "unix", path, None),
            attempt("no-path", "unix", f"{path}2", None),
            attempt("name", "unix-abstract", "tries", None),
            attempt("no-name", "unix-abstract", "nobody", None),
        )
        far = make(
            probe,
            network.far,
            attempt("path", "unix", path, None),
            attempt("name", "unix-abstract", "tries", None),
        )

    assert results(near) == {
        "path": ("reached", ""),
        "no-path": ("unreachable", "ENOENT"),
        "name": ("reached", ""),
        "no-name": ("refused", "ECONNREFUSED"),
    }
    assert results(far) == {"path": ("reached", ""), "name": ("refused", "ECONNREFUSED")}


def test_a_protocol_that_the_kernel_has_not_loaded_is_no_socket(probe: Path, network: OwnNetwork) -> None:
    if "\nSCTP " in Path("/proc/net/protocols").read_text():
        pytest.skip("the kernel has SCTP")
    tries = make(probe, network.near, attempt("sctp", "sctp", FAR))

    assert results(tries) == {"sctp": ("no_socket", "EPROTONOSUPPORT")}
    assert "\nSCTP " not in Path("/proc/net/protocols").read_text()


def test_a_raw_socket_without_the_right_is_no_socket(probe: Path, network: OwnNetwork) -> None:
    words = [*network.far, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", "--"]
    tries = make(probe, tuple(words), attempt("ping", "icmp", NEAR, None))

    assert results(tries) == {"ping": ("no_socket", "EPERM")}


def test_link_local_and_multicast_addresses_need_an_interface(probe: Path, network: OwnNetwork) -> None:
    time.sleep(0.1)
    words = [*network.far, "ip", "-6", "-o", "address", "show", "dev", "far", "scope", "link"]
    until = time.monotonic() + 20
    while b"fe80" not in (shown := subprocess.run(words, capture_output=True).stdout) or b"tentative" in shown:
        assert time.monotonic() < until
        time.sleep(0.05)
    local = shown.split(b"inet6 ")[1].split(b"/")[0].decode()
    with serving(probe, network.far, *ANY):
        tries = make(
            probe,
            network.near,
            attempt("tcp", "tcp", f"{local}%near"),
            attempt("all-nodes", "udp", "ff02::1%near"),
            attempt("all-systems", "udp", "224.0.0.1%near"),
            attempt("broadcast", "udp", "10.99.0.255%near"),
            attempt("no-interface", "tcp", f"{local}%none"),
        )
        wrong = subprocess.run(
            [*network.near, str(probe), "net", "try", "100"],
            input=f"1 tcp {local} 80 t\n".encode(),
            capture_output=True,
        )

    assert {name: one.answer for name, one in tries.items() if one.result == "reached"} == {
        name: f"far token-{name}" for name in ("tcp", "all-nodes", "all-systems", "broadcast")
    }
    assert results(tries)["no-interface"] == ("error", "ENODEV")
    assert wrong.returncode == 65
    assert wrong.stderr == b"probe: line 1 is no try\n"


def test_hundreds_of_tries_take_no_longer_than_one(probe: Path, network: OwnNetwork) -> None:
    wanted = [
        attempt(f"{p}-{n}", p, a, None if p == "icmp" else PORT)
        for p in ("tcp", "udp", "icmp")
        for n, a in enumerate([FAR, FAR6] * 100)
    ]
    silent = [attempt(f"silent-{n}", p, "10.99.0.78") for n, p in enumerate(["tcp", "udp"] * 100)]
    with serving(probe, network.far, *ANY):
        start = time.monotonic()
        tries = make(probe, network.near, *wanted, *silent, ms=1000)
        took = time.monotonic() - start

    assert [one.id for one in wanted if tries[one.id].result != "reached"] == []
    assert {tries[one.id].result for one in silent} == {"dropped"}
    assert took < 10


def test_few_descriptors_delay_tries_and_do_not_fail_them(probe: Path, network: OwnNetwork) -> None:
    side = (*network.near, "prlimit", "--nofile=16:16", "--")
    with serving(probe, network.far, *ANY):
        tries = make(probe, side, *(attempt(f"{n}", "tcp", FAR) for n in range(100)))

    assert {one.result for one in tries.values()} == {"reached"}


def test_a_server_tells_what_it_cannot_open_and_ends_by_itself(probe: Path, network: OwnNetwork) -> None:
    with serving(probe, network.far, f"tcp:{FAR}:{PORT}", f"tcp:{FAR}:{PORT}", "tcp:10.96.0.1:1", seconds=1) as server:
        assert [one.state for one in server.sockets] == ["listening", "EADDRINUSE", "EADDRNOTAVAIL"]
        assert server.process.wait(60) == 0


def test_a_connection_without_a_token_is_seen_and_answered(probe: Path, network: OwnNetwork) -> None:
    script = f"import socket; s = socket.create_connection(('{FAR}', {PORT})); s.shutdown(1); print(s.recv(99))"
    with serving(probe, network.far, *ANY) as server:
        done = subprocess.run([*network.near, "python3", "-c", script], capture_output=True, timeout=60)
        seen = server.end().tokens

    assert done.stdout == b"b'far \\n'\n"
    assert [one.token for one in seen] == [""]


@pytest.mark.parametrize("line", ["1 tcp 10.0.0.1 80", "1 tcp 10.0.0.1 80 t x", "1 tcp host 80 t", "1 icmp ::1 0 t"])
def test_a_line_that_is_no_try_stops_all_of_them(probe: Path, network: OwnNetwork, line: str) -> None:
    text = f"0 tcp {FAR} {PORT} t\n{line}\n".encode()
    done = subprocess.run([*network.near, str(probe), "net", "try", "100"], input=text, capture_output=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (65, b"", b"probe: line 2 is no try\n")


def test_a_request_to_the_server_reads_its_tries_as_input(served: Served, network: OwnNetwork) -> None:
    served.ask(1, "net", "try", "500")
    served.send(INPUT, 1, b"a unix-abstract no-such-socket-of-pytest-isolation - t\n")
    served.send(INPUT, 1)

    assert results({one.id: one for one in parse_tries(output(served.answers(1)[1]))}) == {
        "a": ("refused", "ECONNREFUSED")
    }
