"""Services of a compose file, started as it declares them: a sound one has no finding, a weak one has."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fakes import wait_for
from others import run
from residue import ARGS, Home
from users_engine import UsersEngine, pytest_run, session, users_engine

from provisioner.images.image import archive_of
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

IMAGE = "localhost/isolation-declared:1"
FILE = f"""
version: "2.4"
services:
  web:
    image: {IMAGE}
    user: "1234:5678"
    command: [/app, "$$HOME {{{{x}}}}"]
    container_name: isolation-fixed
    restart: always
    ports: ["127.0.0.1:18080:80"]
    depends_on: [db]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    mem_limit: 64m
    memswap_limit: 64m
    shm_size: 16m
    pids_limit: 30
    tmpfs: [/tmp]
    sysctls: {{net.ipv4.ip_unprivileged_port_start: 0}}
    ulimits: {{nofile: {{soft: 100, hard: 200}}}}
    volumes: ["data:/data", ".:/here:ro"]
    networks: {{back: {{ipv4_address: 10.77.0.5}}, front: {{}}}}
  weak:
    image: {IMAGE}
    command: [/app]
    cap_add: [SYS_ADMIN]
    pid: host
    network_mode: host
    volumes: ["SOCKET:/var/run/docker.sock"]
  db: {{build: .}}
networks:
  front: {{}}
  back: {{ipam: {{config: [{{subnet: 10.77.0.0/24}}]}}}}
volumes: {{data: {{}}}}
"""


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[UsersEngine]:
    """Docker with an image, and compose.yaml in a home."""
    state = request.config.stash.get(STATE, None)
    if state is None or "docker" not in state.targets:
        pytest.skip(OFF if state is None else "compose asks docker: --isolation-runtime=docker")
    home = Home("docker")
    with users_engine("docker", home) as engine:
        engine.load(IMAGE, archive_of([], IMAGE, {}))
        socket = home.environment["DOCKER_HOST"].removeprefix("unix://")
        (home.path / "compose.yaml").write_text(FILE.replace("SOCKET", socket))
        yield engine
    home.remove()


def left(engine: UsersEngine) -> str:
    """Return the containers of the image, and the networks and volumes of runs."""
    asked = [*engine.words, "COMMAND", "ls", "--quiet", "--filter", "name=isolation-"]
    return engine.containers(IMAGE) + "".join(
        run([kind if word == "COMMAND" else word for word in asked], engine.home.environment)
        for kind in ("network", "volume")
    )


def test_a_sound_service_has_no_finding_and_a_weak_one_has(engine: UsersEngine) -> None:
    done, cells = session(engine.home, "--isolation-compose=compose.yaml", "-n", "2")
    sound = {check: cell for (check, target), cell in cells.items() if target == "run:web"}
    weak = {check: cell["judgement"] for (check, target), cell in cells.items() if target == "run:weak"}

    assert done.returncode == 1, done.stdout + done.stderr
    assert not [cell for cell in sound.values() if cell["judgement"] == "finding"]
    for check in ("lim.memory", "lim.pids", "mnt.rootfs_ro", "nnp.set", "user.nonroot", "mnt.host_paths", "ns.peer"):
        assert sound[check]["verdict"] == "holds", sound[check]
    for check in ("cap.sys_admin", "ns.pid", "ns.net", "mgmt.runtime_sock"):
        assert weak[check] == "finding", check
    assert "run:web: published ports taken out" in done.stdout
    assert "run:web: back.ipv4_address taken out" in done.stdout
    assert "run:web: the addresses of the network back taken out" in done.stdout
    assert "run:web: container_name taken out: the container has a name of this run" in done.stdout
    assert "it is built and has no image" in done.stdout
    assert left(engine) == ""


def test_a_service_is_a_target_of_a_project(engine: UsersEngine) -> None:
    file = engine.home.path / "isolation.yaml"
    file.write_text("targets:\n  app: {compose: compose.yaml, service: web}\n")
    own = (
        "sandbox.process.uid == [1234] * 4 and {'/data', '/here', '/tmp'} <= {m.target for m in sandbox.process.mounts}"
    )
    (engine.home.path / "test_own.py").write_text(f"def test_it(sandbox):\n    assert {own}\n")

    done = pytest_run(engine.home, "--isolation=container", "test_own.py")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "run:app" in done.stdout
    assert left(engine) == ""


def test_a_killed_run_leaves_nothing_to_the_next(engine: UsersEngine) -> None:
    home = engine.home
    (home.path / "test_own.py").write_text(
        "import os, pathlib, time\ndef test_it(sandbox):\n    pathlib.Path('ready').touch(); time.sleep(300)\n"
    )
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", "--isolation-compose=compose.yaml"]
    argv += ["--isolation-service=web", "test_own.py"]
    with subprocess.Popen(argv, cwd=home.path, env=home.environment, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: (home.path / "ready").exists() or process.poll() is not None, 120)
        process.send_signal(signal.SIGKILL)
    before = left(engine)

    run([sys.executable, "-m", "provisioner", "prune"], home.environment, home.path)

    assert before
    assert left(engine) == ""


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["--isolation-compose=compose.yaml", "--isolation-service=wbe"], "did you mean 'web'?"),
        (["--isolation-compose=compose.yaml", "--isolation-service=db"], "it is built and has no image"),
        (["--isolation-compose=compse.yaml"], "did you mean 'compose.yaml'?"),
        (["--isolation-compose=absent.yaml"], "it has no image 'localhost/isolation-absent:1'"),
        (["--isolation-compose=wrong.yaml"], "imgae"),
        (["--isolation-compose=bad.yaml"], "bad.yaml:2: not YAML"),
    ],
)
def test_what_is_wrong_is_one_line(engine: UsersEngine, args: list[str], error: str) -> None:
    files = {
        "absent.yaml": json.dumps({"services": {"a": {"image": "localhost/isolation-absent:1", "command": ["x"]}}}),
        "wrong.yaml": json.dumps({"services": {"a": {"imgae": "x"}}}),
        "bad.yaml": "a: [\n",
    }
    for name, text in files.items():
        (engine.home.path / name).write_text(text)

    done = pytest_run(engine.home, *args)

    assert done.returncode == 4, done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert error in line
