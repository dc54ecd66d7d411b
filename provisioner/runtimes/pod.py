"""Makes a runtime of a container of a Kubernetes pod: `podman kube play pod.yaml`.

In: the words of the command, with the container's name behind the file if the pod has several.
Out: a `UserCommand`.  The pod stays as it is declared but for the container's command, the probe's hostPath and the
names; the engine makes it without a start, and then starts the one container.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from provisioner.errors import IsolationError
from provisioner.files.free_yaml import read_free_yaml
from provisioner.files.suggest import suggest
from provisioner.runtimes.engine_run import options_of
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.users_files import MARKS, Pod
from provisioner.runtimes.users_own import PROBE_PATH, UserCommand, literal, users_changes

TEMPLATES = ("Deployment", "DaemonSet")  # kinds that hold a pod in spec.template
VOLUME = "isolation-probe"
SWITCHES = ("-q", "--quiet", "--replace", "--start", "--no-hosts", "--tls-verify", "--build", "--wait", "-w")
DROPPED = ("-q", "--quiet", "--replace", "--start", "--build", "--wait", "-w")
NOT_STARTED = {  # keys of the pod that concern more than the one container
    "initContainers": "initContainers taken out",
    "restartPolicy": "restartPolicy: Never",
}
NOT_ASKED = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")  # they run the image's own programs


def read_pod(words: Sequence[str], text: str) -> UserCommand | None:
    """
    Return the runtime of a pod's container; None if the words start no pod.

    Args:
        words: the command line.
        text: the same as the user wrote it, for errors.

    Raises:
        IsolationError: the file cannot be read, or has no such container.
    """
    name = PurePosixPath(words[0]).name
    engine = load_runtime(name) if name in runtime_names() else None
    if engine is None or engine.pod is None or engine.command_line is None:
        return None
    at = 1 + sum(size for _, size in options_of(words, 1, engine.command_line.global_switches))
    verb = next((verb for verb in engine.pod.verbs if list(words[at : at + len(verb)]) == verb), None)
    if verb is None:
        return None
    before, at = words[1:at], at + len(verb)
    kept: list[str] = []
    changed: list[str] = []
    for option, size in options_of(words, at, SWITCHES):
        part = words[at : at + size]
        at += size
        if option in DROPPED:
            changed.append(f"{' '.join(part)} taken out")
        else:
            kept += part
    rest = words[at:]
    if not 1 <= len(rest) <= 2:
        raise IsolationError(f"cannot take over '{text[:80]}': it names no file", "podman kube play FILE [CONTAINER]")
    pod, others = _pod_of(rest[0], rest[1:2])
    container = _container_of(pod, rest[1:2], rest[0])
    runtime = _runtime(engine, engine.pod, [words[0], *before], kept, text)
    runtime = runtime.model_copy(
        update={"files": {"pod.json": _text(_with_probe(pod, container), others), **_untouched(pod, container, others)}}
    )
    named = container["name"]
    return UserCommand(named, _of_container(runtime, named), (*changed, *_tell(pod, container)))


def containers_of(path: str) -> list[str]:
    """
    Return the names of the containers in a file of pods.

    Raises:
        IsolationError: it cannot be read, or has no pod.
    """
    return [str(one["name"]) for pod in _pods(path)[0] for one in pod["spec"]["containers"]]


def _pods(path: str) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the pods of a file, each with containers, and its other documents."""
    pods, others = [], []
    for document in read_free_yaml(Path(path)):
        kind = document.get("kind") if isinstance(document, dict) else None
        try:
            if kind == "Pod":
                pods.append({**document, "spec": dict(document["spec"])})
            elif kind in TEMPLATES:
                template = document["spec"]["template"]
                pods.append({"apiVersion": "v1", "kind": "Pod", **template, "spec": dict(template["spec"])})
            else:
                others.append(document)
        except (KeyError, TypeError, ValueError):
            raise IsolationError(f"cannot read '{path}': its {kind} has no spec") from None
    pods = [pod for pod in pods if _named(pod["spec"].get("containers"))]
    if not pods:
        kinds = ", ".join(("Pod", *TEMPLATES))
        raise IsolationError(f"cannot start a pod of '{path}': it has none with containers", f"kinds known: {kinds}")
    return pods, others


def _named(containers: object) -> bool:
    return (
        isinstance(containers, list)
        and bool(containers)
        and all(isinstance(one, dict) and one.get("name") for one in containers)
    )


def _pod_of(path: str, wanted: Sequence[str]) -> tuple[dict[str, Any], list[Any]]:
    """Return the pod that has the wanted container, else the first, and the other documents."""
    pods, others = _pods(path)
    having = [pod for pod in pods if not wanted or wanted[0] in [one["name"] for one in pod["spec"]["containers"]]]
    return (having or pods)[0], others


def _container_of(pod: Mapping[str, Any], wanted: Sequence[str], path: str) -> dict[str, Any]:
    containers: list[dict[str, Any]] = pod["spec"]["containers"]
    names = [str(one["name"]) for one in containers]
    if not wanted and len(names) > 1:
        raise IsolationError(
            f"cannot start '{path}': the pod has several containers", f"name one behind the file: {', '.join(names)}"
        )
    name = wanted[0] if wanted else names[0]
    if name not in names:
        mend = suggest(name, names, f"there are: {', '.join(names)}")
        raise IsolationError(f"cannot start '{name}': '{path}' has no such container", mend)
    return containers[names.index(name)]


def _with_probe(pod: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod with the probe in the place of the container's program."""
    ours = {key: value for key, value in container.items() if key not in (*NOT_ASKED, "args", "tty")}
    ours |= {
        "command": [PROBE_PATH, "serve", MARKS["nonce"]],
        "stdin": True,
        "imagePullPolicy": "Never",
        "ports": [{key: value for key, value in port.items() if key != "hostPort"} for port in ours.get("ports") or []],
        "volumeMounts": [
            *(ours.get("volumeMounts") or []),
            {"name": VOLUME, "mountPath": PROBE_PATH, "readOnly": True},
        ],
    }
    spec = {key: value for key, value in pod["spec"].items() if key not in NOT_STARTED}
    probe = {"name": VOLUME, "hostPath": {"path": MARKS["probe"], "type": "File"}}
    spec |= {"containers": [ours], "restartPolicy": "Never", "volumes": [*(spec.get("volumes") or []), probe]}
    return _renamed({**pod, "spec": spec}, MARKS["name"])


def _untouched(pod: Mapping[str, Any], container: Mapping[str, Any], others: Sequence[Any]) -> dict[str, str]:
    """Return the file of the pod as it is declared, with this one container, under a name of the run."""
    spec = {key: value for key, value in pod["spec"].items() if key != "initContainers"}
    spec["containers"] = [{**container, "imagePullPolicy": "Never"}]
    return {"untouched.json": _text(_renamed({**pod, "spec": spec}, f"{MARKS['name']}-untouched"), others)}


def _renamed(pod: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**copy.deepcopy(dict(pod)), "metadata": {**(pod.get("metadata") or {}), "name": name}}


def _text(pod: Mapping[str, Any], others: Sequence[Any]) -> str:
    """Return a file of YAML documents; JSON is YAML."""
    return "\n---\n".join(json.dumps(one, default=str) for one in (*others, pod)) + "\n"


def _tell(pod: Mapping[str, Any], container: Mapping[str, Any]) -> list[str]:
    """Return what is changed, in words."""
    spec = pod["spec"]
    changed = [told for key, told in NOT_STARTED.items() if key in spec and spec[key] != "Never"]
    others = [one["name"] for one in spec["containers"] if one["name"] != container["name"]]
    changed += [f"{', '.join(others)} not started"] if others else []
    changed += [f"{key} taken out" for key in NOT_ASKED if container.get(key)]
    changed += [f"{key} replaced by the probe" for key in ("command", "args") if container.get(key)]
    changed += ["hostPort taken out"] if any(port.get("hostPort") for port in container.get("ports") or []) else []
    return changed


def _runtime(engine: Runtime, how: Pod, program: Sequence[str], options: Sequence[str], text: str) -> Runtime:
    """Return the runtime of a pod; where a command names the container it has {{ container }}."""
    assert engine.command_line is not None

    def ask(argv: Sequence[str] | None) -> list[str]:
        return [*map(literal, program), *(argv or ())[1:]]

    def play(file: str) -> list[str]:
        *words, last = ask(how.play)
        return [*words, *map(literal, options), last.replace("{{ file }}", f"{{{{ bundle }}}}/{file}")]

    untouched = engine.command_line.untouched
    compared = untouched.model_copy(update={"apart": [*untouched.apart, *how.apart]})
    return engine.model_copy(
        update={
            **users_changes(engine, text, ask),
            "binary": program[0],
            "before": [play("pod.json"), ask(how.open)],
            "create": ask(how.start),
            "delete": ask(how.delete),
            "untouched": play("untouched.json"),
            "command_line": engine.command_line.model_copy(update={"untouched": compared}),
        }
    )


def _of_container(runtime: Runtime, container: str) -> Runtime:
    """Return the runtime with the commands that name the container, not the pod."""
    name = f"{{{{ name }}}}-{literal(container)}"

    def named(argv: Sequence[str] | None, mark: str) -> list[str]:
        return [word.replace(mark, name) for word in argv or ()]

    return runtime.model_copy(
        update={
            "before": [named(argv, "{{ container }}") for argv in runtime.before],
            "create": named(runtime.create, "{{ container }}"),
            "exec": named(runtime.exec, "{{ name }}"),
            "state": runtime.state
            and runtime.state.model_copy(update={"argv": named(runtime.state.argv, "{{ name }}")}),
        }
    )
