"""A container of a pod as a runtime: the pod's file keeps all but the container's command and the names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.pod import containers_of
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.users_files import fill

VALUES = {
    "probe": "/cache/pro\"be", "nonce": "00ff", "name": "isolation-1-1", "run": "1", "bundle": "/run/b", "argv": ["x"],
}  # fmt: skip
POD = """
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
---
apiVersion: v1
kind: Pod
metadata: {name: mypod, labels: {app: x}}
spec:
  hostname: abc
  restartPolicy: Always
  initContainers: [{name: first, image: me/app}]
  containers:
  - name: web
    image: me/app
    command: [sh, "{{x}}"]
    args: [a]
    ports: [{containerPort: 80, hostPort: 8080}]
    livenessProbe: {exec: {command: [sh]}}
    securityContext: {capabilities: {add: [SYS_ADMIN]}}
  - {name: side, image: me/side}
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file pod.yaml in this folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    return path


def files_of(text: str) -> dict[str, list[Any]]:
    """Return the files that a command line makes, each as its documents."""
    files = read_command(text).runtime.files
    return {name: [json.loads(one) for one in fill(text, VALUES).split("\n---\n")] for name, text in files.items()}


def test_the_pod_is_made_and_then_its_container_started() -> None:
    runtime = read_command("podman --root /r kube play --network=none pod.yaml web").runtime

    play, opened = [render_argv(argv, VALUES, "before") for argv in runtime.before]
    assert play == ["podman", "--root", "/r", "kube", "play", "--start=false", "--network=none", "/run/b/pod.json"]
    assert opened[3:5] == ["inspect", "--format"]
    assert opened[5].startswith("{{if not .Config.OpenStdin}}")
    assert opened[6] == "isolation-1-1-web"
    assert render_argv(runtime.create, VALUES, "create") == [
        "podman", "--root", "/r", "start", "--attach", "--interactive", "isolation-1-1-web",
    ]  # fmt: skip
    assert runtime.state is not None
    assert render_argv(runtime.state.argv, VALUES, "state")[-1] == "isolation-1-1-web"
    assert render_argv(runtime.exec or [], VALUES, "exec") == [
        "podman",
        "--root",
        "/r",
        "exec",
        "isolation-1-1-web",
        "x",
    ]
    assert render_argv(runtime.delete or [], VALUES, "delete")[3:] == [
        "pod",
        "rm",
        "--force",
        "--time",
        "0",
        "isolation-1-1",
    ]
    assert render_argv(runtime.untouched or [], VALUES, "untouched")[-1] == "/run/b/untouched.json"


def test_the_file_keeps_all_but_the_command_and_the_names() -> None:
    files = files_of("podman play kube pod.yaml web")
    config, ours = files["pod.json"]
    (container,), (volume,) = ours["spec"]["containers"], ours["spec"]["volumes"]
    untouched = files["untouched.json"][1]

    assert config == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}}
    assert ours["metadata"] == {"name": "isolation-1-1", "labels": {"app": "x"}}
    assert ours["spec"]["hostname"] == "abc"
    assert ours["spec"]["restartPolicy"] == "Never"
    assert container == {
        "name": "web",
        "image": "me/app",
        "command": ["/probe", "serve", "00ff"],
        "stdin": True,
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 80}],
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
        "volumeMounts": [{"name": "isolation-probe", "mountPath": "/probe", "readOnly": True}],
    }
    assert volume == {"name": "isolation-probe", "hostPath": {"path": VALUES["probe"], "type": "File"}}
    assert untouched["metadata"]["name"] == "isolation-1-1-untouched"
    assert untouched["spec"]["containers"][0]["command"] == ["sh", "{{x}}"]
    assert untouched["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "hostPort": 8080}]


def test_what_is_changed_is_told() -> None:
    assert read_command("podman kube play --replace pod.yaml web").changed == (
        "--replace taken out",
        "initContainers taken out",
        "restartPolicy: Never",
        "side not started",
        "livenessProbe taken out",
        "command replaced by the probe",
        "args replaced by the probe",
        "hostPort taken out",
    )


def test_a_deployment_holds_a_pod(file: Path) -> None:
    file.write_text(
        "kind: Deployment\nspec: {template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}"
    )
    (pod,) = files_of("podman kube play pod.yaml")["pod.json"]

    assert (pod["kind"], pod["metadata"]) == ("Pod", {"labels": {"a": "b"}, "name": "isolation-1-1"})
    assert containers_of("pod.yaml") == ["c"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("podman kube play pod.yaml", "the pod has several containers; name one behind the file: web, side"),
        ("podman kube play pod.yaml wep", "has no such container; did you mean 'web'?"),
        ("podman kube play", "it names no file"),
        ("podman kube play pdo.yaml web", "no such file; did you mean 'pod.yaml'?"),
        ("podman kube down pod.yaml", "is no run"),
    ],
)
def test_what_cannot_be_served_is_one_line(text: str, error: str) -> None:
    with pytest.raises(IsolationError) as caught:
        read_command(text)

    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("kind: Job\n", "it has none with containers; kinds known: Pod, Deployment, DaemonSet"),
        ("kind: Pod\n", "its Pod has no spec"),
        ("kind: Pod\nspec: {containers: []}\n", "it has none with containers"),
        ("kind: Deployment\nspec: {template: 1}\n", "its Deployment has no spec"),
        ("", "it has none with containers"),
        ("a: [", "pod.yaml:1: not YAML: "),
    ],
)
def test_a_file_without_a_pod_is_one_line(file: Path, text: str, error: str) -> None:
    file.write_text(text)

    with pytest.raises(IsolationError) as caught:
        containers_of("pod.yaml")

    assert error in str(caught.value)
