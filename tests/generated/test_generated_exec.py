"""Random execs: what one drawn difference in exec's process.json makes of the checks of exec is known by construction.

The environment variables of compare.py count here too.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compare import FIRST, count_of

from provisioner.deadlines import deadline
from provisioner.facts.document import parse_facts
from provisioner.files.maker import temporary_folder
from provisioner.paths import cache_dir
from provisioner.probe.exec_output import after_mark
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.fixtures import OFF
from pytest_isolation.judge.judge import observed_by, suite_checks
from pytest_isolation.policy.verdict import Verdict, check_of
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.session.state import STATE, State

COUNT = count_of(150)
CHECKS = ("proc.exec_parity", "proc.exec_limits", "cap.exec_parity", "seccomp.exec_parity", "ns.exec_parity")
CAPABILITIES = ("CHOWN", "SYS_ADMIN", "NET_RAW", "MKNOD", "SYS_PTRACE", "DAC_OVERRIDE", "BPF")
SETS = ("bounding", "permitted", "effective")
Process = dict[str, Any]
Draw = Callable[[random.Random, Process], str]


def nothing(dice: random.Random, process: Process) -> str:
    return ""


def no_new_privs(dice: random.Random, process: Process) -> str:
    process["noNewPrivileges"] = False
    return "proc.exec_parity"


def groups(dice: random.Random, process: Process) -> str:
    process["user"] = {**process["user"], "additionalGids": dice.sample(range(2, 70000), dice.randint(1, 5))}
    return "proc.exec_parity"


def uid(dice: random.Random, process: Process) -> str:
    process["user"] = {**process["user"], "uid": dice.randint(1, 70000)}
    return "proc.exec_parity"


def gid(dice: random.Random, process: Process) -> str:
    process["user"] = {**process["user"], "gid": dice.randint(1, 70000)}
    return "proc.exec_parity"


def rlimit(dice: random.Random, process: Process) -> str:
    hard = dice.choice([dice.randint(1, 1023), dice.randint(1025, 9000)])
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": hard, "soft": min(hard, 1024)}]
    return "proc.exec_limits" if hard > 1024 else ""


def capability(dice: random.Random, process: Process) -> str:
    name = f"CAP_{dice.choice(CAPABILITIES)}"
    # capabilities(7): a permitted one must be in the bounding set, else execve(2) of root drops it
    sets = SETS[: dice.randint(1, 3)]
    held = process["capabilities"]
    process["capabilities"] = {one: [*names, *([name] if one in sets else [])] for one, names in held.items()}
    return "cap.exec_parity"


def fewer_capabilities(dice: random.Random, process: Process) -> str:
    process["capabilities"] = {one: [] for one in process["capabilities"]}
    return ""


DRAWS: tuple[Draw, ...] = (
    *(nothing, no_new_privs, groups, uid, gid, rlimit),
    *(capability, fewer_capabilities),
)


def test_every_check_of_exec_says_what_was_drawn(request: pytest.FixtureRequest) -> None:
    state: State | None = request.config.stash.get(STATE, None)
    target = next((one for one in state.targets.values() if one.runtime.name == "runc"), None) if state else None
    if state is None or target is None:
        pytest.skip(OFF if state is None else "no runc in this session: its exec takes a process.json")
    sandbox, record = state.sandboxes.live(target), state.measurements[target.id].record
    config = json.loads((sandbox._bundle / "config.json").read_text())["process"]
    checks = {name: one for one in suite_checks() if (name := check_of(one).id) in CHECKS}
    wrong = []

    with temporary_folder(cache_dir()) as folder:
        for seed in range(FIRST, FIRST + COUNT):
            dice = random.Random(seed)
            process = json.loads(json.dumps(config)) | {"args": ["/probe", "facts", sandbox.nonce], "terminal": False}
            draw = dice.choice(DRAWS)
            expected = draw(dice, process)
            seen = record.model_copy(update={"exec_": executed(sandbox, process, folder)})
            fixtures = judge_fixtures(seen)
            opened = {name for name, one in checks.items() if observed_by(one, seen, fixtures)[0] is not Verdict.HOLDS}
            if opened != ({expected} if expected else set()):
                wrong.append(f"seed {seed} ({draw.__name__}): {sorted(opened)} and not {expected or 'none'}: {process}")

    print(f"{COUNT} execs drawn from seed {FIRST} on, {len(wrong)} disagreements")
    assert not wrong, "\n".join(wrong[:5])


def executed(sandbox: Sandbox, process: Process, folder: Path) -> object:
    """Return the view of what `runc exec --process FILE` starts."""
    file = folder / "process.json"
    file.write_text(json.dumps(process))
    argv = render_argv(sandbox.runtime.exec or [], {**sandbox._values, "argv": []}, "exec")
    at = argv.index("exec") + 1
    done = sandbox.host.connection.run([*argv[:at], "--process", str(file), *argv[at:]], deadline("exec"), inside=True)
    assert done.status == 0, done.stderr
    return parse_facts(after_mark(done.stdout, sandbox.nonce), sandbox.nonce)
