"""provisioner.hosts.daemon with a real dockerd: it answers, and afterwards the machine is as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.hosts import daemon as module
from provisioner.hosts.daemon import Daemon, daemon_root, running
from provisioner.images import image
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux.mounts import read_mounts
from provisioner.paths import HOME, run_dir

needs_docker = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("dockerd", "docker", "nsenter", "ip", "cc"))),
    reason="needs root, dockerd, docker, nsenter, ip and a C compiler",
)
MARK = f"isolation-test-{os.getpid()}"


def docker(run: Run) -> Daemon:
    root = daemon_root(run, "docker")
    argv = (
        *("--data-root", f"{root}/data", "--exec-root", f"{root}/exec", "-p", f"{root}/docker.pid"),
        *("-H", f"unix://{root}/docker.sock", "--config-file", f"{root}/daemon.json"),
        *("--bridge=none", "--iptables=false", "--ip-forward=false"),
    )
    env = {"DOCKER_HOST": f"unix://{root}/docker.sock"}
    return Daemon(
        "docker",
        "dockerd",
        argv,
        env,
        ("docker", "version"),
        60,
        root,
        files={"daemon.json": "{}"},
        cgroups=("docker",),
    )


@pytest.fixture
def short_run_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run folder whose sockets can be bound: pytest's own is too deep."""
    home = Path("/tmp") / MARK
    home.mkdir()
    monkeypatch.setenv(HOME, str(home))
    yield run_dir()
    shutil.rmtree(home)


def look() -> dict[str, set[str]]:
    """What the daemon may not change: processes that carry our mark, namespaces, mounts, cgroups, links."""
    roots = [mount.target for mount in read_mounts() if mount.fstype in ("cgroup", "cgroup2")]
    mounts = {str(mount.target) for mount in read_mounts()} - {"/run/netns"}  # iproute2 keeps this one for good
    netns = Path("/run/netns")
    arguments = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                arguments |= {f"{entry.name} {line}"} if MARK in line and entry.name != str(os.getpid()) else set()
            except OSError:
                continue
    return {
        "processes": arguments,
        "netns": {path.name for path in netns.iterdir()} if netns.is_dir() else set(),
        "mounts": mounts,
        "cgroups": {str(path) for root in roots for path in root.iterdir() if path.is_dir()},
        "shim sockets": {str(path) for path in Path("/run/containerd/s").glob("*")},
        "links": set(os.listdir("/sys/class/net")),
        "forward": {Path("/proc/sys/net/ipv4/ip_forward").read_text()},
    }


def start_container(env: Mapping[str, str], folder: Path) -> None:
    """Leave a container running, so that a shim and its mounts are there to be removed."""
    (folder / "pause.c").write_text("#include <unistd.h>\nint main(void) { for (;;) pause(); }\n")
    (folder / "image.tar").write_bytes(image.archive(compile_static(folder / "pause.c"), "isolation-pause:1"))
    for argv in (
        ["docker", "load", "-i", str(folder / "image.tar")],
        ["docker", "run", "-d", "--network", "none", "--stop-timeout", "1", "isolation-pause:1", "/probe", MARK],
    ):
        subprocess.run(
            argv, env={**os.environ, **env}, check=True, timeout=300, capture_output=True, stdin=subprocess.DEVNULL
        )


def compile_static(source: Path) -> Path:
    compiler = shutil.which("musl-gcc") or "cc"
    out = source.with_suffix("")
    subprocess.run([compiler, "-static", "-o", str(out), str(source)], check=True, timeout=300)
    return out


@needs_docker
def test_a_daemon_answers_and_leaves_nothing(short_run_dir: Path, tmp_path: Path) -> None:
    before = look()
    run = Run.start()

    with running(docker(run), run) as env:
        start_container(env, tmp_path)
        inside = look()
        assert [line for line in inside["processes"] if "/probe" in line]
        assert [line for line in inside["processes"] if "containerd-shim" in line]
        assert inside["netns"] - before["netns"] == {f"iso-docker-{run.id}"}
        assert inside["mounts"] > before["mounts"]
        assert inside["cgroups"] >= before["cgroups"]
        done = subprocess.run(
            ["docker", "info"], env={**os.environ, **env}, capture_output=True, text=True, timeout=300
        )
        assert f"Docker Root Dir: {short_run_dir}" in done.stdout
    assert run.close() == []

    after = look()
    assert after == before
    assert list((short_run_dir / "runs").iterdir()) == []
    assert [path.name for path in short_run_dir.iterdir()] == ["runs"]


@needs_docker
def test_prune_removes_a_daemon_whose_owner_was_killed(short_run_dir: Path, tmp_path: Path) -> None:
    before = look()
    script = (
        "import sys, time; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "import test_daemon_live as t\n"
        "t.MARK = Path(sys.argv[1]).parent.name\n"
        "run = t.Run.start()\n"
        "with t.running(t.docker(run), run) as env:\n"
        "    t.start_container(env, Path(sys.argv[1]))\n"
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
    )
    argv = [sys.executable, "-c", script, str(short_run_dir), str(Path(__file__).parent), *sys.path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        child.kill()

    said = prune()

    assert any(line.startswith("removed netns iso-docker-") for line in said)
    assert not [line for line in said if line.startswith("cannot")]
    after = look()
    assert {**after, "processes": set()} == {**before, "processes": set()}
    assert after["processes"] == set()
    assert list((short_run_dir / "runs").iterdir()) == []


@needs_docker
def test_a_daemon_that_ends_early_shows_its_log(short_run_dir: Path) -> None:
    before = look()
    run = Run.start()
    bad = Daemon("docker", "dockerd", ("--no-such-flag",), {}, ("false",), 20, daemon_root(run, "docker"))

    with pytest.raises(IsolationError, match="cannot start 'docker': it ended with status") as error, running(bad, run):
        pytest.fail("it is up")
    run.close()
    assert "no-such-flag" in error.value.log
    assert look() == before


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="needs root and nsenter")
def test_a_daemon_that_never_answers_ends_at_the_deadline(short_run_dir: Path) -> None:
    before = look()
    run = Run.start()
    slow = Daemon(
        "slow", "sh", ("-c", "trap '' TERM; sleep 99 & sleep 98"), {}, ("false",), 0.5, daemon_root(run, "slow")
    )

    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STOP_TIMEOUT", 0.5)
        with pytest.raises(IsolationError, match="no answer after"), running(slow, run):
            pytest.fail("it is up")
    assert time.monotonic() - started < 60
    assert run.close() == []
    assert look() == before


def test_a_daemon_that_is_not_installed_is_named() -> None:
    absent = Daemon("docker", "no-such-daemon", (), {}, (), 1, Path("/nowhere"))

    with pytest.raises(IsolationError, match="no-such-daemon is not installed"), running(absent, None):  # type: ignore[arg-type]
        pytest.fail("it is up")


def test_a_root_too_deep_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "run_dir", lambda: tmp_path / ("x" * 90))

    class FakeRun:
        id = "0a1b2c3d"

    with pytest.raises(IsolationError, match="too long for a socket"):
        daemon_root(FakeRun(), "docker")  # type: ignore[arg-type]
