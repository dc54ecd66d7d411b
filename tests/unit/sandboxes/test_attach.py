"""Attaching, without a sandbox: what can be named, what its runtime answers, how it is judged and compared."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fakes import facts_document

from provisioner.errors import IsolationError
from provisioner.facts.document import Facts, parse_facts
from provisioner.linux.mounts import MountPoint
from provisioner.runtimes.load import load_runtime, runtime_names
from provisioner.runtimes.render import render_argv
from provisioner.sandboxes.attached import (
    BARE,
    Attached,
    AttachTarget,
    cgroup_folders,
    is_frozen,
    pid_in,
    without_handed,
)
from pytest_isolation.judge.compare import compare
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.profile import Profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.report.terminal import beside_text
from pytest_isolation.results.model import AttachedComparison
from pytest_isolation.targets import named as targets
from pytest_isolation.targets.named import attached_target
from pytest_isolation.targets.select import named_target

ATTACHABLE = [name for name in runtime_names() if load_runtime(name).attach is not None]
V = Verdict


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "find_program", lambda binary: f"/usr/bin/{binary}")


# --- what can be named


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("docker", "'docker' names no sandbox; it is RUNTIME:NAME"),
        ("docker:", "names no sandbox"),
        ("dokcer:web", "nothing of 'dokcer' can be attached to; did you mean 'docker'?"),
        ("qemu:guest", "there are: docker:NAME"),
        ("docker:--privileged", "'--privileged' is no name of a sandbox"),
        ("docker:a b", "'a b' is no name of a sandbox"),
        ("docker:/run/web", "it is docker:NAME"),
        ("runc:run/web", "it is runc:/FOLDER/NAME"),
        ("pid:web", "'web' is no process id"),
        ("pid:0", "'0' is no process id"),
        ("pid:-1", "'-1' is no process id"),
        ("pid:4294967296", "is no process id"),
        ("lxc-unprivlieged:web", "did you mean 'unprivileged'?"),
    ],
)
def test_what_names_no_sandbox_is_refused_in_one_line(text: str, told: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        attached_target(text)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_runtime_that_is_not_installed_is_refused_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "find_program", lambda binary: None)

    with pytest.raises(pytest.UsageError, match=r"cannot attach to 'docker:web': docker is not installed; apt-get"):
        attached_target("docker:web")


@pytest.mark.parametrize(
    ("text", "id_", "name", "at"),
    [
        ("docker:web", "docker:web", "web", ""),
        ("runc:/run/other/web.1", "runc:web.1", "web.1", "/run/other"),
        ("lxc-unprivileged:web", "lxc-unprivileged:web", "web", ""),
        ("podman+runc:web", "podman+runc:web", "web", ""),
        ("pid:4242", "pid:4242", "4242", ""),
    ],
)
def test_a_sandbox_is_a_column_of_its_own(text: str, id_: str, name: str, at: str) -> None:
    target = attached_target(text)

    assert target.attached is not None
    assert (target.id, target.attached.name, target.attached.at) == (id_, name, at)
    assert target.named
    assert named_target(target.id, "local").id == id_  # in a worker of pytest-xdist


def test_nothing_that_acts_can_be_asked_of_it() -> None:
    cannot = attached_target("docker:web").runtime.cannot

    for name in ("peer", "network.none", "network.private"):
        assert cannot[name] == ATTACHED
    assert not any(name.startswith("limits.") for name in cannot)
    assert "descriptor" in cannot["exec"]
    assert "exec" not in attached_target("runc:web").runtime.cannot


@pytest.mark.parametrize("name", ATTACHABLE)
def test_templates_of_a_role_render_and_name_the_sandbox(name: str) -> None:
    runtime = load_runtime(name)
    assert runtime.attach is not None

    for at in ("", "/folder") if runtime.attach.folder else ("",):
        for template in (runtime.attach.state, runtime.attach.exec or ["{{ name }}"]):
            argv = render_argv(template, {"name": "web", "at": at, "argv": ["/proc/self/fd/3", "facts"]}, name)
            assert "web" in argv
            assert ("/folder" in argv) == bool(at)
    assert runtime.attach.exec is not None or "attach.exec" in runtime.cannot


# --- what is read of it


@pytest.mark.parametrize(
    ("answer", "pointer", "pid"),
    [
        (b'[{"State": {"Pid": 42}}]', "json:/0/State/Pid", 42),
        (b'[{"State": {"Pid": 0}}]', "json:/0/State/Pid", 0),
        (b'{"pid": 7}', "json:/pid", 7),
        (b"7\n", "json:", 7),
        (b"", "json:", 0),
        (b"[]", "json:/0/State/Pid", 0),
        (b'{"pid": null}', "json:/pid", 0),
        (b"not json", "json:/pid", 0),
    ],
)
def test_pid_is_found_or_there_is_none(answer: bytes, pointer: str, pid: int) -> None:
    assert pid == pid_in(answer, pointer)


def facts_of(**process: object) -> Facts:
    document = json.loads(facts_document())
    document["process"] |= process
    return parse_facts(json.dumps(document).encode())


def test_the_descriptor_that_was_handed_on_is_no_fact_of_the_sandbox() -> None:
    handed = {"fd": 3, "target": "/memfd:isolation-probe (deleted)"}
    other = {"fd": 4, "target": "/memfd:isolation-probe (deleted)"}
    own = {"fd": 3, "target": "/etc"}

    assert without_handed(facts_of(fds=[handed])).process.fds == []
    assert [fd.fd for fd in without_handed(facts_of(fds=[handed, other])).process.fds] == [4]
    assert [fd.fd for fd in without_handed(facts_of(fds=[own])).process.fds] == [3]
    unseen = without_handed(facts_of(fds={"unobserved": "EACCES", "why": "open fd"}))
    assert unseen.process.raw("fds").unobserved == "EACCES"


def test_cgroups_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    lines = [
        {"hierarchy": 2, "controllers": ["freezer"], "path": "/box"},
        {"hierarchy": 1, "controllers": ["name=systemd"], "path": "/elsewhere"},
        {"hierarchy": 0, "controllers": [], "path": "/box/../box"},
    ]
    mounts = [
        MountPoint("/", tmp_path / "freezer", "cgroup", ("rw", "freezer")),
        MountPoint("/", tmp_path / "unified", "cgroup2", ("rw",)),
    ]
    for mount in mounts:
        (mount.target / "box").mkdir(parents=True)

    found = cgroup_folders(facts_of(cgroups=lines), mounts)

    assert [tmp_path / "freezer" / "box", tmp_path / "unified" / "box"] == found
    assert not is_frozen(found)
    (found[0] / "freezer.state").write_text("FROZEN\n")
    assert is_frozen(found)
    (found[0] / "freezer.state").write_text("THAWED\n")
    (found[1] / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert not is_frozen(found)
    (found[1] / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert is_frozen(found)


class FakeHost:
    """A host that remembers how it was asked to look at a process."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, dict[str, object]]] = []

    def outside_pid(self, pid: int, nonce: str, **more: object) -> Facts:
        self.asked.append((pid, more))
        return facts_of()


def test_a_look_stops_nothing() -> None:
    host = FakeHost()

    attached = Attached(host, AttachTarget(BARE, str(os.getpid())))  # type: ignore[arg-type]

    assert host.asked == [(os.getpid(), {})]  # no seccomp filter is asked for: ptrace(2) would stop it
    assert attached.vmm() is None
    with pytest.raises(IsolationError, match="a bare process has no runtime with an exec"):
        attached.inside()


# --- how it is judged and compared

CHECK = Check("path.sys_ro", profile="baseline")
UNSEEN = "nothing can be handed in"


@pytest.mark.parametrize(
    ("runtime", "verdict", "reason", "profile", "judgement"),
    [
        ("docker", V.UNKNOWN, f"inside could not be observed: {UNSEEN}", None, Judgement.DOCUMENTED),
        ("docker", V.UNKNOWN, "process.uid could not be observed: read status (EACCES)", None, Judgement.FINDING),
        ("docker", V.UNKNOWN, f"inside could not be observed: {UNSEEN}", "baseline", Judgement.FINDING),
        ("docker", V.OPEN, UNSEEN, None, Judgement.FINDING),
        ("docker", V.HOLDS, "", None, Judgement.OK),
        ("pid", V.OPEN, "it shares the namespace", None, Judgement.DOCUMENTED),
        ("pid", V.OPEN, "it shares the namespace", "baseline", Judgement.FINDING),
    ],
)
def test_what_nobody_saw_is_said_so_and_never_green(
    runtime: str, verdict: Verdict, reason: str, profile: str | None, judgement: Judgement
) -> None:
    policy = Policy(Profile(profile, 1) if profile else None)

    ruling = policy.judge(CHECK, "container", f"{runtime}:web", runtime, Conditions(unseen=UNSEEN), verdict, reason)

    assert judgement is ruling.judgement
    if verdict is V.UNKNOWN and judgement is Judgement.DOCUMENTED:
        assert f"attached: {UNSEEN}" == ruling.source


def test_only_what_was_observed_in_both_is_compared() -> None:
    seen = {"a.a": V.OPEN, "b.b": V.HOLDS, "c.c": V.UNKNOWN, "d.d": V.OPEN, "e.e": V.OPEN, "f.f": V.HOLDS}
    fresh = {"a.a": V.HOLDS, "b.b": V.OPEN, "c.c": V.HOLDS, "d.d": V.NOT_APPLICABLE, "e.e": V.OPEN, "f.f": V.HOLDS}

    found = compare("docker:web", "docker", seen, fresh)

    assert (
        AttachedComparison(target="docker:web", fresh="docker", weaker=("a.a",), stronger=("b.b",), compared=4) == found
    )


@pytest.mark.parametrize(
    ("beside", "text"),
    [
        (
            AttachedComparison(
                target="docker:web", fresh="docker", weaker=("a.a", "b.b"), stronger=("c.c",), compared=9
            ),
            "docker:web: 2 weaker than a fresh docker (a.a, b.b), 1 stronger (c.c); 9 checks compared",
        ),
        (
            AttachedComparison(target="docker:web", fresh="docker", compared=9),
            "docker:web: none weaker than a fresh docker; 9 checks compared",
        ),
        (
            AttachedComparison(target="pid:1", reason="nobody knows"),
            "pid:1: not compared with a fresh one: nobody knows",
        ),
    ],
)
def test_comparison_is_one_line(beside: AttachedComparison, text: str) -> None:
    assert text == beside_text(beside)


def test_a_bare_process_is_seen_from_outside_and_nobody_says_what_made_it() -> None:
    assert BARE.boundary == "process"
    assert BARE.cannot["fresh"] == "what made it is unknown"
