"""An exec during a look: what its runtime has not yet confined does not count as the sandbox's."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from others import Other, other
from residue import Home

from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE, State
from pytest_isolation.walls.leads import leads_outside
from pytest_isolation.walls.tasks import outside_cgroup, weakest

LOOKS, EXECS = 50, 100  # at least
EXEC = {
    "docker": ("docker", "exec"),
    "podman": ("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc", "exec"),
}


def exec_argv(runtime: str, one: Other) -> list[str]:
    """Return the command by which a user starts a short program in the sandbox."""
    _, _, name = one.attach.partition(":")
    if runtime == "runc":
        folder, _, name = name.rpartition("/")
        return ["runc", "--root", folder, "exec", name, "/bin/true"]
    return [*EXEC[runtime], name, "/bin/true"]


@contextmanager
def execs(argv: list[str]) -> Iterator[list[int]]:
    """Start the program again and again, two at a time, for the time of a block; yield the exit statuses."""
    ended, statuses = threading.Event(), list[int]()

    def loop() -> None:
        while not ended.is_set():
            statuses.append(subprocess.run(argv, capture_output=True, timeout=300).returncode)

    threads = [threading.Thread(target=loop) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_an_exec_beside_a_look_weakens_no_wall(request: pytest.FixtureRequest) -> None:
    state: State | None = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)
    runtime = next((one.runtime.name for one in state.targets.values() if one.host == "local"), "")
    if runtime not in ("docker", "podman", "runc"):
        pytest.skip("the sandboxes of this session cannot be attached to and entered")
    home, host = Home(next(iter(state.targets))), state.hosts.local
    looks, left_out, weaker = 0, 0, []

    with other(runtime, home, f"users-{secrets.token_hex(4)}") as one, execs(exec_argv(runtime, one)) as statuses:
        while looks < LOOKS or len(statuses) < EXECS:
            looks += 1
            facts = host.outside_pid(one.pid, secrets.token_hex(8))
            tasks, process = facts.tasks or [], facts.process
            left_out += facts.left_out or 0
            if weakest(process, lambda tasks=tasks: tasks, lambda: host.facts.process) != process:
                weaker += tasks
            weaker += outside_cgroup(process, tasks)
            weaker += [task for task in tasks if leads_outside(task)]
    home.remove()

    print(f"{looks} looks beside {len(statuses)} execs: {left_out} tasks left out")
    assert set(statuses) == {0}
    assert not weaker, json.dumps([task.model_dump() for task in weaker[:3]])
    assert left_out, "no exec was seen under way: the test shows nothing"
