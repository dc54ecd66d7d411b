"""Runs the built probe as a plain process: documents, frames, bounds, ends.

PROBE_UNDER_TEST names another binary (`make check` gives the one with sanitizers).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES

from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.image import ImageSeen, Privileged, parse_image
from provisioner.linux.processes import read_process, wait_gone, with_descendants
from provisioner.observed import UnobservedFact
from provisioner.probe.build import SOURCES, probe_binary

HEADER = struct.Struct(">IIB")
HELLO, REQUEST, DATA, RESULT, ERROR, CANCEL, INPUT, CREDIT, LOG = range(9)
PIECE = 16384
NAMES_OF_TRIES = set(re.findall(r'^\t\{ "([a-z0-9_.]+)", ', (SOURCES / "system/tries.c").read_text(), re.MULTILINE))

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="session")
def probe() -> Path:
    given = os.environ.get("PROBE_UNDER_TEST")
    return Path(given) if given else probe_binary().path


class Served:
    """A probe that serves on pipes, spoken to frame by frame."""

    def __init__(self, probe: Path, *wrapper: str) -> None:
        self.nonce = secrets.token_hex(8)
        self.process = subprocess.Popen(
            [*wrapper, str(probe), "serve", self.nonce], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.magic = self.read(8)
        self.hello = self.frame()

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.stdout.read(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def frame(self) -> tuple[int, int, bytes]:
        length, identity, kind = HEADER.unpack(self.read(HEADER.size))
        return identity, kind, self.read(length)

    def send(self, kind: int, identity: int, payload: bytes = b"") -> None:
        self.stdin.write(HEADER.pack(len(payload), identity, kind) + payload)

    def ask(self, identity: int, *argv: str, deadline: int = 20000, bound: int = 1 << 20) -> None:
        words = b"".join(word.encode() + b"\0" for word in argv)
        self.send(REQUEST, identity, struct.pack(">II", deadline, bound) + words)

    def answers(self, *identities: int) -> dict[int, list[tuple[int, bytes]]]:
        """Read until each of the requests has ended."""
        found: dict[int, list[tuple[int, bytes]]] = {identity: [] for identity in identities}
        waiting = set(identities)
        while waiting:
            identity, kind, payload = self.frame()
            found[identity].append((kind, payload))
            if kind in (RESULT, ERROR):
                waiting.remove(identity)
        return found

    def answer(self, *argv: str, deadline: int = 20000, bound: int = 1 << 20) -> list[tuple[int, bytes]]:
        self.ask(1, *argv, deadline=deadline, bound=bound)
        return self.answers(1)[1]

    def end(self) -> int:
        """Close its input, wait for its end, and return its exit status."""
        self.stdin.close()
        try:
            return self.process.wait(60)
        finally:
            self.stdout.close()


@pytest.fixture
def served(probe: Path) -> Iterator[Served]:
    one = Served(probe)
    yield one
    one.process.kill()
    one.end()


def output(frames: list[tuple[int, bytes]], kind: int = DATA) -> bytes:
    return b"".join(payload for found, payload in frames if found == kind)


def run(probe: Path, *argv: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(probe), *argv], capture_output=True, timeout=300, **options)  # type: ignore[call-overload, no-any-return]


def read_document(done: subprocess.CompletedProcess[bytes], nonce: str) -> Facts:
    assert done.returncode == 0, done.stderr
    head, body = done.stdout.split(b"\n", 1)

    assert head == f"\x7fISOFACTS {nonce} {len(body)}".encode()
    return parse_facts(body, nonce)


def wait_until(happened: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_prints_a_document_that_the_parser_takes(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert facts.view == "inside"
    assert facts.process.uid[0] == os.getuid()
    assert facts.process.namespaces.pid == int(os.readlink("/proc/self/ns/pid")[5:-1])
    assert facts.system is not None
    assert facts.system.canary is None
    assert facts.process.capabilities.bounding == int(
        re.findall(r"CapBnd:\t(\w+)", Path("/proc/self/status").read_text())[0], 16
    )


def test_the_mounts_are_those_of_mountinfo(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()

    assert [mount.id for mount in facts.process.mounts] == [int(line.split()[0]) for line in lines]


def test_every_try_is_in_the_document_and_none_else(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert len(NAMES_OF_TRIES) == 62
    assert facts.system is not None
    assert set(facts.system.tries.names()) == NAMES_OF_TRIES
    assert facts.system.tries["syscall.unknown"].result == "ENOSYS"
    assert facts.system.tries["unshare.no_such_flag"].value in (-1, None)


@as_root
def test_a_limit_on_processes_takes_no_try_away(probe: Path) -> None:
    """Children that are ending still count against RLIMIT_NPROC until they are reaped: here it leaves room for one."""
    words = (str(probe), "launch", "--uid", str(1 << 30), "--gid", str(1 << 30), "--", str(probe), "facts", "n")

    done = run("prlimit", "--nproc=2", *words)

    document = json.loads(done.stdout.partition(b"\n")[2])
    tries = document["system"]["tries"]
    assert [name for name, found in tries.items() if "fork" in str(found)] == []
    assert tries["socket.packet_raw"]["result"] == "EPERM"


def test_facts_name_only_the_descriptors_that_the_probe_was_given(probe: Path) -> None:
    read, write = os.pipe()
    try:
        facts = read_document(run(probe, "facts", "n1", pass_fds=[read], stdin=subprocess.DEVNULL), "n1")
    finally:
        os.close(read)
        os.close(write)

    assert [item.fd for item in facts.process.fds] == [0, 1, 2, read]
    assert facts.process.fds[3].target.startswith("pipe:[")


def test_a_served_document_names_the_descriptors_of_the_servers_start(served: Served) -> None:
    facts = parse_facts(output(served.answer("facts", "n2")), "n2")

    assert [item.fd for item in facts.process.fds] == [0, 1, 2]
    assert facts.probe.encode() == served.hello[2].split()[3]


def test_a_name_that_is_no_utf8_is_escaped(probe: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b'/a\xff\xc0\xaf\x01"\\\xc3\xa4'
    os.mkdir(folder)
    facts = read_document(run(probe, "facts", "n1", cwd=folder), "n1")

    assert facts.process.cwd == f'{tmp_path}/a\\xff\\xc0\\xaf\x01"\\ä'


def test_a_canary_is_told_from_another_process_of_its_number(probe: Path) -> None:
    canary = subprocess.Popen(["sleep", "60"])
    try:
        for nonce, same in (("60", True), ("other", False)):
            facts = read_document(run(probe, "facts", "n1", f"canary={canary.pid}:{nonce}"), "n1")
            assert facts.system is not None
            assert facts.system.canary is not None
            assert (facts.system.canary.signal, facts.system.canary.same) == ("ok", same)
    finally:
        canary.kill()
        canary.wait()


def test_a_peer_is_tried_by_each_of_its_numbers(probe: Path, served: Served) -> None:
    own, gone = os.getpid(), 4194305  # beyond PID_MAX_LIMIT
    numbers = (served.process.pid, own, gone)
    words = [f"peer={number}:{served.nonce}" for number in numbers]
    peers = read_document(run(probe, "facts", "n1", *words), "n1").system.peers

    assert peers is not None
    assert [(one.pid, one.signal, one.same) for one in peers] == [
        (served.process.pid, "ok", True),
        (own, "ok", False),
        (gone, "ESRCH", False),
    ]
    assert read_document(run(probe, "facts", "n1"), "n1").system.peers is None
    for wrong in ("peer=0:x", "peer=x", "peer=7", "peer=7:"):
        assert subprocess.run([probe, "facts", "n1", wrong], capture_output=True).returncode == 64


def test_outside_finds_the_server_and_not_its_requests(probe: Path, served: Served) -> None:
    served.ask(1, "load", "pids", "0")
    served.ask(2, "run", "sleep", "60")
    facts = read_document(run(probe, "outside", "o1", served.nonce), "o1")

    assert facts.view == "outside"
    assert facts.system is None
    assert facts.process.pid == served.process.pid


def test_outside_takes_a_number_and_refuses_what_is_not_there_or_twice(probe: Path, served: Served) -> None:
    assert read_document(run(probe, "outside", "o1", f"pid:{os.getpid()}"), "o1").process.pid == os.getpid()
    assert run(probe, "outside", "o1", "nobody-serves-this").returncode == 69
    second = subprocess.Popen([str(probe), "serve", served.nonce], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    wait_until(lambda: run(probe, "outside", "o1", served.nonce).returncode == 65)
    second.communicate(timeout=300)


FILTERED = str(Path(__file__).parents[2] / "weaknesses" / "with_filters.py")
ALLOW_ALL = struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
REFUSE_ONE = struct.pack("<HBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, 9998, 0x06, 0, 0, 0x00050001) + ALLOW_ALL


@contextlib.contextmanager
def filtered(*programs: bytes) -> Iterator[int]:
    """Start a process of two threads under these filters, the oldest first; its number."""
    words = [base64.b64encode(program).decode() for program in programs]
    script = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); print(1, flush=True)"
    argv = [sys.executable, "-I", FILTERED, "0", *words, "--", sys.executable, "-c", script]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.communicate()


@as_root
def test_outside_reads_the_filters_of_every_task_and_lets_it_go_on(probe: Path) -> None:
    with filtered(REFUSE_ONE, ALLOW_ALL) as pid:
        facts = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")
        state = re.findall(r"(?:State|TracerPid):\t(\w+)", Path(f"/proc/{pid}/status").read_text())

    found = facts.process.filters
    assert state == ["S", "0"]
    assert [base64.b64decode(text) for text in found.programs] == [REFUSE_ONE, ALLOW_ALL]
    assert [task.stack for task in found.tasks] == [[0, 1], [0, 1]]
    assert {task.pid for task in found.tasks} == {pid}
    assert found.stopped_us > 0


@as_root
def test_filters_of_processes_beside_it_in_its_pid_namespace_are_read_too(probe: Path) -> None:
    words = [base64.b64encode(REFUSE_ONE).decode(), "--", "sleep", "60"]
    beside = subprocess.list2cmdline([sys.executable, "-I", FILTERED, "0", *words])
    script = f'{beside} & echo $!; exec "$0" serve beside'
    argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, str(probe)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        found: list[list[int]] = []

        def both_seen() -> bool:
            done = run(probe, "outside", "o1", "beside", "filters")
            if done.returncode == 0:
                found[:] = [task.stack for task in read_document(done, "o1").process.filters.tasks]
            return sorted(found) == [[], [0]]

        wait_until(both_seen)
    finally:
        process.kill()
        process.communicate()


@as_root
def test_a_long_program_arrives_whole(probe: Path) -> None:
    program = b"".join(struct.pack("<HBBI", 0x00, 0, 0, number) for number in range(4095)) + ALLOW_ALL
    with filtered(program) as pid:
        facts = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")

    assert [base64.b64decode(text) for text in facts.process.filters.programs] == [program]


def test_no_filter_is_what_the_status_says_and_not_what_an_error_says(probe: Path, served: Served) -> None:
    facts = read_document(run(probe, "outside", "o1", served.nonce, "filters"), "o1")
    if facts.process.seccomp.mode != 0:
        pytest.skip("this session is filtered itself")

    assert [(task.tid, task.stack) for task in facts.process.filters.tasks] == [(served.process.pid, [])]
    assert facts.process.filters.programs == []


@as_root
def test_filters_that_were_not_asked_for_or_not_got_are_unobserved(probe: Path) -> None:
    with filtered(ALLOW_ALL) as pid:
        asked = ["setpriv", "--reuid=65534", "--clear-groups", str(probe)]
        other = subprocess.run([*asked, "outside", "o1", f"pid:{pid}", "filters"], capture_output=True, timeout=300)
        silent = read_document(run(probe, "outside", "o1", f"pid:{pid}"), "o1")
        tracer = subprocess.Popen([sys.executable, "-I", "-c", TRACER, str(pid)], stdout=subprocess.PIPE)
        assert tracer.stdout is not None
        tracer.stdout.readline()
        traced = read_document(run(probe, "outside", "o1", f"pid:{pid}", "filters"), "o1")
        tracer.kill()
        tracer.communicate()

    for facts, fragment in ((silent, "not asked for"), (traced, "EPERM")):
        with pytest.raises(UnobservedFact, match=fragment):
            _ = facts.process.filters
    if other.returncode == 0:  # a folder that only root may enter hides the probe itself
        with pytest.raises(UnobservedFact, match=r"EPERM|EACCES"):
            _ = read_document(other, "o1").process.filters


# holds the task by ptrace(2) PTRACE_SEIZE
TRACER = """
import ctypes, sys, time
assert ctypes.CDLL(None).ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0
print(1, flush=True)
time.sleep(60)
"""


@as_root
def test_without_proc_facts_are_unobserved_and_never_absent(probe: Path) -> None:
    if "PROBE_UNDER_TEST" in os.environ:
        pytest.skip("sanitizers need /proc themselves")
    script = 'mount --make-rprivate / && umount -l /proc && exec "$0" facts n1'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, str(probe)], capture_output=True, timeout=300)
    facts = read_document(done, "n1")

    for part, name in (
        (facts.process.namespaces, "pid"),
        (facts.process, "mounts"),
        (facts.process, "fds"),
        (facts, "boot_id"),
        (facts.system, "tasks"),
        (facts.limits, "memory"),
    ):
        with pytest.raises(UnobservedFact):
            getattr(part, name)
    assert facts.process.uid == [0, 0, 0, 0]
    assert facts.process.capabilities.effective > 0


def test_limits_are_those_of_the_own_cgroup(probe: Path) -> None:
    facts = read_document(run(probe, "facts", "n1"), "n1")

    assert facts.limits.version in (0, 1, 2)
    if facts.limits.version == 0:
        pytest.skip("no memory controller is mounted here")
    assert facts.limits.memory.usage > 0
    assert facts.limits.memory.limit is None or facts.limits.memory.limit > 0


def test_wrong_usage_has_its_own_exit_code(probe: Path) -> None:
    assert run(probe).returncode == 64
    assert run(probe, "nonsense").returncode == 64
    assert run(probe, "facts").returncode == 64
    assert run(probe, "launch", "--nonsense", "--", "true").returncode == 64


def test_the_hello_comes_first_and_carries_the_nonce(served: Served) -> None:
    assert served.magic == b"\x7fISOPRB\n"
    assert served.hello[:2] == (0, HELLO)
    assert served.hello[2].startswith(f"ISOLATION 1 {served.nonce} ".encode())


def test_it_ends_at_end_of_input_and_at_sigterm(probe: Path) -> None:
    first, second = Served(probe), Served(probe)
    second.process.send_signal(signal.SIGTERM)

    assert first.end() == 0
    assert second.process.wait(60) == 0
    second.end()


def test_exit_is_answered_and_ends_the_server_and_what_it_runs(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "echo $$; sleep 60")
    pid = int(served.frame()[2])
    served.ask(2, "exit")

    assert served.answers(2)[2] == [(RESULT, b"\0\0")]
    assert served.process.wait(60) == 0
    wait_until(lambda: not alive(pid))


def test_output_errors_and_exit_status_arrive_apart(served: Served) -> None:
    frames = served.answer("run", "sh", "-c", "echo out; echo err >&2; exit 3")

    assert output(frames) == b"out\n"
    assert output(frames, LOG) == b"err\n"
    assert frames[-1] == (RESULT, b"\0\3")


def test_sixteen_are_open_at_once_and_the_next_is_refused(served: Served) -> None:
    for identity in range(1, 18):
        served.ask(identity, "echo")
    assert served.answers(17)[17] == [(ERROR, b"busy")]
    for identity in reversed(range(1, 17)):
        served.send(INPUT, identity, str(identity).encode())
        served.send(INPUT, identity)
    answers = served.answers(*range(1, 17))

    assert [output(answers[identity]) for identity in range(1, 17)] == [str(n).encode() for n in range(1, 17)]


def test_a_deadline_ends_the_whole_group(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "sleep 60 & echo $!; wait", deadline=500)
    answer = served.answers(1)[1]

    assert answer[-1] == (ERROR, b"deadline")
    wait_until(lambda: not alive(int(output(answer))))
    assert output(served.answer("run", "echo", "on")) == b"on\n"


def test_cancel_ends_the_whole_group(served: Served) -> None:
    served.ask(1, "run", "sh", "-c", "sleep 60 & echo $!; wait")
    pid = int(served.frame()[2])
    served.send(CANCEL, 1)

    assert served.answers(1)[1] == [(ERROR, b"cancelled")]
    wait_until(lambda: not alive(pid))


def test_too_much_output_ends_the_request_and_stays_within_the_bound(served: Served) -> None:
    frames = served.answer("run", "sh", "-c", "cat /dev/zero & cat /dev/zero >&2", bound=100_000)

    assert frames[-1] == (ERROR, b"too much output")
    assert len(output(frames)) + len(output(frames, LOG)) <= 100_000


def test_a_killed_child_is_a_signal_and_the_server_goes_on(served: Served) -> None:
    assert served.answer("run", "sh", "-c", "kill -9 $$")[-1] == (RESULT, bytes([1, 9]))
    assert served.answer("nonsense") == [(ERROR, b"unknown verb nonsense")]


def test_what_a_child_left_behind_does_not_hold_its_request(served: Served) -> None:
    assert output(served.answer("run", "sh", "-c", "sleep 60 & echo first")) == b"first\n"


@pytest.mark.parametrize("piece", [PIECE, 1000])
def test_a_megabyte_goes_each_way_with_two_credits(served: Served, piece: int) -> None:
    sent = os.urandom(1 << 20)
    pieces = [sent[at : at + piece] for at in range(0, len(sent), piece)]
    served.ask(1, "echo", bound=2 << 20)
    credits, received = 2, bytearray()
    while len(received) < len(sent):
        while credits and pieces:
            served.send(INPUT, 1, pieces.pop(0))
            credits -= 1
        _, kind, payload = served.frame()
        credits += kind == CREDIT
        received += payload if kind == DATA else b""
    served.send(INPUT, 1)

    assert bytes(received) == sent
    assert served.answers(1)[1][-1] == (RESULT, b"\0\0")


def test_input_that_nobody_reads_is_credited(served: Served) -> None:
    served.ask(1, "load", "cpu", "1", "300")
    served.send(INPUT, 1, b"x" * PIECE)

    assert (CREDIT, b"") in served.answers(1)[1]


@pytest.mark.parametrize(
    "frame",
    [
        HEADER.pack(40000, 1, REQUEST),
        HEADER.pack(0, 1, RESULT),
        HEADER.pack(0, 1, 77),
        HEADER.pack(3, 1, REQUEST) + b"abc",
        HEADER.pack(9, 0, REQUEST) + b"\0" * 9,
        HEADER.pack(11, 1, REQUEST) + b"\0\0\1\0\0\0\1\0abc",
    ],
    ids=["too long", "not the host's", "unknown type", "short", "id 0", "without end"],
)
def test_a_byte_outside_the_protocol_ends_the_server(served: Served, frame: bytes) -> None:
    served.stdin.write(frame)

    assert served.process.wait(60) == 76


def test_frames_may_arrive_byte_by_byte(served: Served) -> None:
    for byte in HEADER.pack(8 + 9, 5, REQUEST) + struct.pack(">II", 9000, 100) + b"nonsense\0":
        served.stdin.write(bytes([byte]))

    assert served.frame() == (5, ERROR, b"unknown verb nonsense")


def test_requests_hold_nothing_of_the_channel(served: Served) -> None:
    served.ask(2, "echo")
    listing = output(served.answer("run", "sh", "-c", "exec ls -l /proc/self/fd")).decode()

    assert len(re.findall(r" [0-9]+ -> ", listing)) == 4  # 0, 1, 2 and the folder that ls reads


def test_loads_say_what_they_used(served: Served) -> None:
    assert output(served.answer("load", "memory", str(3 << 20))) == b"step 1\nstep 2\nstep 3\ndone\n"
    assert output(served.answer("load", "pids", "20")) == b"children 20 errno ok\n"
    words = output(served.answer("load", "cpu", "2", "200")).split()
    assert words[::2] == [b"cpu_us", b"wall_us"]
    assert int(words[3]) >= 200_000


def test_orphans_outlive_their_request_and_belong_to_the_server(served: Served) -> None:
    server = read_process(served.process.pid)
    assert server is not None
    assert output(served.answer("load", "orphans", "3", "2")) == b"orphans 3 errno ok\n"
    orphans = [one for one in with_descendants([server]) if one != server]

    assert len(orphans) == 3
    assert len({os.getsid(one.pid) for one in orphans} - {os.getsid(0)}) == 3
    assert wait_gone(orphans, 10) == []  # by themselves


@pytest.mark.parametrize("words", [("17", "2"), ("3", "61"), ("3",)])
def test_orphans_are_few_and_end_soon(served: Served, words: tuple[str, ...]) -> None:
    assert served.answer("load", "orphans", *words)[-1] == (RESULT, b"\0\x40")  # EX_USAGE


def test_the_listener_answers_with_its_token(served: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    served.ask(1, "net", "listen", str(port), "token-7", "20000")
    assert served.frame() == (1, DATA, b"listening\n")
    served.ask(2, "net", "connect", "127.0.0.1", str(port), "5000")
    answers = collect(served, 2)

    assert output(answers[2]) == b"connected token-7\n"
    served.send(CANCEL, 1)
    assert collect(served, 1)[1][-1] == (ERROR, b"cancelled")
    # SIGKILL is sent when the request is said to be cancelled; the port closes when the process is gone
    until = time.monotonic() + 60
    while (said := output(served.answer("net", "connect", "127.0.0.1", str(port), "1000"))) != b"refused\n":
        assert time.monotonic() < until, said


def collect(served: Served, last: int) -> dict[int, list[tuple[int, bytes]]]:
    """Read until one request has ended, whatever others say meanwhile."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    while True:
        identity, kind, payload = served.frame()
        found.setdefault(identity, []).append((kind, payload))
        if identity == last and kind in (RESULT, ERROR):
            return found


def test_launch_closes_descriptors_and_keeps_the_exit_status(probe: Path) -> None:
    read, write = os.pipe()
    try:
        done = run(probe, "launch", "--", "sh", "-c", f"test ! -e /proc/self/fd/{read} && exit 7", pass_fds=[read])
    finally:
        os.close(read)
        os.close(write)

    assert done.returncode == 7
    assert run(probe, "launch", "--", "/nonexistent/x").returncode == 69


@as_root
def test_launch_drops_ids_and_pivots_inside_fresh_namespaces(
    probe: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if "PROBE_UNDER_TEST" in os.environ:
        pytest.skip("sanitizers need a shared C library, and the root folder has none")
    root = Path(subprocess.check_output(["mktemp", "-d", "/tmp/probe-root-XXXXXX"], text=True).strip())
    root.chmod(0o755)
    for name in ("proc", "sys", "dev", "tmp", "etc", "run"):
        (root / name).mkdir()
    (root / "probe").write_bytes(probe.read_bytes())
    (root / "probe").chmod(0o755)
    namespaces = ["-U", "-r", "-m", "-u", "-i", "-n", "-p", "-C", "-f", "--kill-child", "--propagation", "private"]
    inner = [str(root / "probe"), "launch", "--loopback", "--pivot", str(root), "--", "/probe", "facts", "n1"]
    argv = ["launch", "--uid", "65534", "--gid", "65534", "--", "unshare", *namespaces, "--", *inner]
    try:
        facts = read_document(run(root / "probe", *argv), "n1")
    finally:
        subprocess.run(["rm", "-rf", str(root)], check=True)

    assert facts.process.pid == 1
    assert [(item.inside, item.outside) for item in facts.process.uid_map] == [(0, 65534)]
    assert facts.process.exe == "/probe"
    assert facts.system is not None
    assert facts.system.proc_self == "1"
    assert {device.path for device in facts.system.devices} >= {"/dev/null", "/dev/zero"}
    assert [(item.name, item.flags & 1) for item in facts.system.interfaces if item.name == "lo"] == [("lo", 1)]
    assert facts.system.paths["/proc/sys/kernel/core_pattern"].write == "EACCES"


@as_root
def test_it_serves_with_no_new_privileges_as_nobody(probe: Path) -> None:
    wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    one = Served(probe, *wrapper)
    facts = parse_facts(output(one.answer("facts", "n3")), "n3")

    assert facts.process.no_new_privs == 1
    assert facts.process.capabilities.bounding == 0
    assert one.end() == 0


def test_a_document_stays_below_its_bound(probe: Path) -> None:
    done = run(probe, "facts", "n1")

    assert len(json.dumps(json.loads(done.stdout.split(b"\n", 1)[1]))) < 1 << 20


def read_image(probe: Path, folder: Path) -> ImageSeen:
    done = run(probe, "image", "i1", str(folder))
    assert done.returncode == 0, done.stderr
    return parse_image(done.stdout.split(b"\n", 1)[1], "i1")


def test_a_walk_tells_the_end_of_a_long_path_and_no_more_than_some_files(probe: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    for number in range(40):
        file = deep / f"file{number:02}"
        file.touch()
        file.chmod(0o4700)  # the test's own empty files

    seen = read_image(probe, tmp_path).privileged

    assert (seen.entries, seen.count, len(seen.files)) == (42, 40, 32)
    assert {len(file.path) for file in seen.files} == {191}
    assert all(file.path[-6:-2] == "file" for file in seen.files)


def test_a_walk_follows_no_link_and_ends_in_no_loop(probe: Path, tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "root").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")

    assert read_image(probe, tmp_path).privileged.entries == 3


def test_a_walk_that_comes_to_no_end_has_seen_nothing(probe: Path, tmp_path: Path) -> None:
    tmp_path.joinpath(*["d"] * 60).mkdir(parents=True)

    with pytest.raises(UnobservedFact, match=r"so deep a folder.*ELOOP"):
        _ = read_image(probe, tmp_path).privileged


@pytest.mark.skipif(not USER_NAMESPACES, reason="needs user namespaces: sysctl user.max_user_namespaces=10000")
def test_a_walk_stays_on_its_mount(probe: Path, tmp_path: Path) -> None:
    for name in ("a", "a/inside", "b", "b/of_another"):
        (tmp_path / name).mkdir()
    script = f'mount --bind {tmp_path}/b {tmp_path}/a/inside && exec "$0" image i1 {tmp_path}/a'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(probe)],
        capture_output=True,
        timeout=300,
        check=True,
    )

    assert parse_image(done.stdout.split(b"\n", 1)[1], "i1").privileged.entries == 1


def test_a_walk_of_its_own_root_is_made_where_it_is_asked_for(probe: Path) -> None:
    silent = read_document(run(probe, "facts", "n1"), "n1")
    asked = read_document(run(probe, "facts", "n1", "files"), "n1")

    assert silent.system is not None
    assert asked.system is not None
    with pytest.raises(UnobservedFact, match="not asked for"):
        _ = silent.system.privileged
    found = asked.system.raw("privileged")
    assert isinstance(found, Privileged) or found.unobserved in ("ETIME", "EACCES", "E2BIG")


def test_touch_makes_an_empty_file_that_was_not_there(probe: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"

    assert run(probe, "touch", str(path)).returncode == 0
    assert (path.stat().st_size, path.stat().st_mode & 0o7777) == (0, 0o600)
    assert run(probe, "touch", str(path)).returncode == 73
    (tmp_path / "link").symlink_to("elsewhere")
    assert run(probe, "touch", str(tmp_path / "link")).returncode == 73
    assert not (tmp_path / "elsewhere").exists()
