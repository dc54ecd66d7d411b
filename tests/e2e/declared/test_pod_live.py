"""Containers of a pod, started as `podman kube play` does: a sound one has no finding, a weak one has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from others import run
from residue import Home
from users_engine import UsersEngine, pytest_run, session, users_engine

from provisioner.images.image import archive_of
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE

IMAGE = "localhost/isolation-declared:1"
FILE = f"""
apiVersion: v1
kind: Pod
metadata: {{name: mypod, labels: {{app: x}}}}
spec:
  hostname: abc
  initContainers: [{{name: first, image: localhost/isolation-absent, command: [sh]}}]
  containers:
  - name: web
    image: {IMAGE}
    command: [/app, "{{{{x}}}}"]
    env: [{{name: A, valueFrom: {{configMapKeyRef: {{name: cm, key: k}}}}}}]
    resources: {{limits: {{memory: 64Mi}}}}
    securityContext:
      {{runAsUser: 1234, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
    ports: [{{containerPort: 80, hostPort: 18081}}]
    livenessProbe: {{exec: {{command: [/app]}}}}
    volumeMounts: [{{name: d, mountPath: /d}}]
  - name: weak
    image: {IMAGE}
    command: [/app]
    securityContext: {{capabilities: {{add: [SYS_ADMIN]}}}}
    volumeMounts: [{{name: etc, mountPath: /hostetc, readOnly: true}}]
  volumes:
  - {{name: d, emptyDir: {{}}}}
  - {{name: etc, hostPath: {{path: /etc, type: Directory}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: cm}}
data: {{k: v}}
"""


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[UsersEngine]:
    """Podman with a storage and an image of its own, and pod.yaml in a home."""
    state = request.config.stash.get(STATE, None)
    if state is None or not any(one.runtime.name == "podman" for one in state.targets.values()):
        pytest.skip(OFF if state is None else "podman plays pods: --isolation-runtime=podman+runc")
    home = Home("podman")
    with users_engine("podman", home) as engine:
        engine.load(IMAGE, archive_of([], IMAGE, {}))
        (home.path / "pod.yaml").write_text(FILE)
        yield engine
    home.remove()


def test_a_sound_container_has_no_finding_and_a_weak_one_has_or_podman_cannot(engine: UsersEngine) -> None:
    (engine.home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.system.tasks\n")
    tried = pytest_run(engine.home, "--isolation-pod=pod.yaml", "test_own.py")
    if tried.returncode == 4:  # podman 4.3
        (line,) = [line for line in tried.stderr.splitlines() if line.startswith("ERROR: ")]
        assert line.startswith("ERROR: cannot start 'podman': this podman opens no standard input for a container")
        assert run([*engine.words, "pod", "ls", "--quiet"], engine.home.environment) == ""
        return
    done, cells = session(engine.home, "--isolation-pod=pod.yaml")
    sound = {check: cell for (check, target), cell in cells.items() if target == "run:web"}
    weak = {check: cell["judgement"] for (check, target), cell in cells.items() if target == "run:weak"}

    assert done.returncode == 1, done.stdout + done.stderr
    assert not [cell for cell in sound.values() if cell["judgement"] == "finding"]
    for check in ("lim.memory", "mnt.rootfs_ro", "nnp.set", "user.nonroot", "cap.restricted", "ns.peer"):
        assert sound[check]["verdict"] == "holds", sound[check]
    for check in ("cap.sys_admin", "mnt.host_paths"):
        assert weak[check] == "finding", check
    assert "run:web: hostPort taken out" in done.stdout
    assert "run:web: weak not started" in done.stdout
    assert run([*engine.words, "pod", "ls", "--quiet"], engine.home.environment) == ""
    assert run([*engine.words, "ps", "--all", "--quiet"], engine.home.environment) == ""
