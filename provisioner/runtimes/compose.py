"""Makes a runtime of a service of a compose file.

In: the words of a compose program: `docker-compose -f compose.yaml run web`.
Out: a `UserCommand`.  Its project is made of the file as the compose program itself renders it (`config`), and the
sandbox is what that program's own `run` starts: nothing of the file is translated here.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from provisioner.connection.local import run_command
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.free_yaml import parse_free_yaml, read_free_yaml
from provisioner.files.suggest import suggest
from provisioner.runtimes.compose_words import Composed, files_of, find_program_of, service_of, take_words
from provisioner.runtimes.runtime import Runtime
from provisioner.runtimes.users_files import MARKS, Project
from provisioner.runtimes.users_own import UserCommand, literal, users_changes

FROM_SERVICE = ("network_mode", "ipc", "pid")  # may be "service:NAME"
ALONE = {  # keys of a service that are taken out, and why that is told
    "container_name": "the container has a name of this run",
    "scale": "one sandbox is started",
}
ADDRESSES = ("ipv4_address", "ipv6_address")


def read_service(words: Sequence[str], text: str) -> UserCommand | None:
    """
    Return the runtime of a service; None if the words are no compose program's.

    Args:
        words: the command line.
        text: the same as the user wrote it, for errors.

    Raises:
        IsolationError: the file cannot be read, or the service cannot be started with the probe.
    """
    found = find_program_of(words)
    if found is None:
        return None
    parts = take_words(words, *found)
    service, changed = service_of(parts, text)
    document = render(parts)
    services = document["services"]
    if service not in services:
        mend = suggest(service, services, f"there are: {', '.join(services)}")
        raise IsolationError(f"cannot start '{service}': the compose file has no such service", mend)
    if why := lack_of_service(services[service]):
        raise IsolationError(f"cannot start the service '{service}': {why[0]}", why[1])
    made, further = _project_of(parts, document, service)
    return UserCommand(service, _runtime(parts, made, service, text), (*parts.changed, *changed, *further))


def services_of(words: Sequence[str]) -> dict[str, tuple[str, str] | None]:
    """
    Return the services of a compose file: why each cannot be started and what to do about it, or None if it can.

    Args:
        words: a compose program with its options, without a verb.

    Raises:
        IsolationError: the file cannot be read.
    """
    found = find_program_of(words)
    assert found is not None
    services: Mapping[str, Any] = render(take_words(words, *found))["services"]
    return {
        name: lack_of_service(service)
        or (("it has profiles", f"name it: --isolation-service={name}") if service.get("profiles") else None)
        for name, service in services.items()
    }


def render(parts: Composed) -> dict[str, Any]:
    """
    Return a compose file as the compose program itself renders it.

    Raises:
        IsolationError: it cannot be read.
    """
    files = files_of(parts)
    for path in files:
        read_free_yaml(path)
    file = str(files[0]) if files else "the compose file"
    argv = (*parts.program, *parts.options, "config")
    document = copy.deepcopy(_rendered(argv, file, os.getcwd()))
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise IsolationError(f"cannot read '{file}': it has no services")
    if wrong := [name for name, service in services.items() if not isinstance(service, dict)]:
        raise IsolationError(f"cannot read '{file}': its service '{wrong[0]}' has no keys")
    return document


@lru_cache(maxsize=64)
def _rendered(argv: tuple[str, ...], file: str, _folder: str) -> Any:
    done = run_command(argv, deadline("command"))
    if done.status != 0:
        lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        why = " ".join(lines[-3:])[:300] or f"exit status {done.status}"
        raise IsolationError(f"cannot read '{file}': {argv[0]} says: {why}")
    documents = parse_free_yaml(done.stdout, file)
    return documents[0] if documents else None


def lack_of_service(service: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return why a service cannot be started with the probe, and what to do about it; None if it can."""
    if not service.get("image"):
        return "it is built and has no image", "build it, and add its name: image: NAME"
    shared = [key for key in FROM_SERVICE if str(service.get(key) or "").startswith("service:")]
    shared += ["volumes_from"] if service.get("volumes_from") else []
    if shared:
        return f"its {shared[0]} needs another service", "start the project, and --isolation-attach=docker:NAME"
    return None


def _project_of(parts: Composed, document: dict[str, Any], service: str) -> tuple[Project, list[str]]:
    """Return the project of a rendered file, and what of the service was changed, in words."""
    seed = [*parts.program, *parts.options, *(str(path.absolute()) for path in files_of(parts))]
    key = hashlib.sha256("\0".join(seed).encode()).hexdigest()[:6]
    name, marked = f"isolation-{{{{ run }}}}-{key}", f"isolation-{MARKS['run']}-{key}"
    document.pop("name", None)
    changed = [*_tell(document["services"][service]), *_without_pools(document)]
    for one, keys in document["services"].items():
        for alone in ALONE:
            keys.pop(alone, None)
        (keys.get("deploy") or {}).pop("replicas", None)
        for network in keys["networks"].values() if isinstance(keys.get("networks"), dict) else ():
            for address in ADDRESSES:
                (network or {}).pop(address, None)
        keys["container_name"] = f"{marked}-{one}"
    made = [(kind, one) for kind in ("volume", "network") for one in _made_of(document, f"{kind}s")]
    delete = [[*parts.how.delete[kind], f"{name}_{literal(one)}"] for kind, one in made]
    delete.append([*parts.how.delete["container"], f"{name}-{literal(service)}"])  # the last is undone first
    make = [*map(literal, parts.program), "-p", name, "-f", "{{ project }}", *parts.how.make, literal(service)]
    image = str(document["services"][service]["image"])
    text = json.dumps(document, default=str, indent=1)
    return Project(name=name, text=text, image=image, make=make, delete=delete), changed


def _without_pools(document: dict[str, Any]) -> list[str]:
    """Take out fixed addresses of bridges, which a project of the user may have now; return what was, in words."""
    changed = []
    for name, keys in (document.get("networks") or {}).items():
        plain = keys and keys.get("driver") in (None, "bridge") and not keys.get("enable_ipv6")
        if plain and not keys.get("external") and keys.pop("ipam", None):
            changed.append(f"the addresses of the network {name} taken out")
    return changed


def _made_of(document: dict[str, Any], kind: str) -> list[str]:
    """Return the networks or volumes that a project makes, each under a name of the run."""
    declared: dict[str, Any] = document.get(kind) or {}
    services = document["services"].values()
    for keys in declared.values():
        if isinstance(keys, dict) and not keys.get("external"):
            keys.pop("name", None)
    made = [name for name, keys in declared.items() if not (keys or {}).get("external")]
    on_default = any(
        not one.get("network_mode") and "default" in (one.get("networks") or ["default"]) for one in services
    )
    return [*made, *(["default"] if kind == "networks" and on_default and "default" not in declared else [])]


def _tell(service: Mapping[str, Any]) -> list[str]:
    """Return what of a service is changed, in words."""
    changed = [f"{key} taken out: {why}" for key, why in ALONE.items() if service.get(key)]
    networks = service.get("networks")
    fixed = networks.items() if isinstance(networks, dict) else ()
    changed += [f"{network}.{one} taken out" for network, keys in fixed for one in ADDRESSES if (keys or {}).get(one)]
    changed += [f"{key} replaced by the probe" for key in ("entrypoint", "command") if service.get(key)]
    changed += ["published ports taken out"] if service.get("ports") else []
    changed += [f"restart: {service['restart']} taken out"] if service.get("restart") not in (None, "no") else []
    changed += ["depends_on taken out: no other service is started"] if service.get("depends_on") else []
    return changed


def _runtime(parts: Composed, project: Project, service: str, text: str) -> Runtime:
    engine, how = parts.engine, parts.how
    assert engine.command_line is not None
    untouched = engine.command_line.untouched
    compared = untouched.model_copy(update={"apart": [*untouched.apart, *how.apart]})
    program = [literal(word) for word in parts.program]
    return engine.model_copy(
        update={
            **users_changes(engine, text, lambda argv: list(argv or ())),
            "binary": parts.program[0],
            "needs": [*engine.needs, *([engine.binary] if engine.binary else [])],
            "project": project,
            "create": [
                *program,
                "-p",
                project.name,
                "-f",
                "{{ project }}",
                *how.run,
                literal(service),
                "serve",
                "{{ nonce }}",
            ],
            "untouched": project.make,
            "untouched_name": f"{project.name}-{literal(service)}",
            "command_line": engine.command_line.model_copy(update={"untouched": compared}),
        }
    )
