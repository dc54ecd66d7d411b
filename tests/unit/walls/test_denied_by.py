"""pytest_isolation.walls.denied_by: each wall alone, walls behind others, and unobserved walls."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from facts_factory import SOUND, record_of
from programs import EPERM, installed, program

from pytest_isolation.judge.denied_by import explain_denial
from pytest_isolation.judge.evidence import show_evidence
from pytest_isolation.walls.denied_by import OVER_HOST, OVER_OWN_NAMESPACE, Caller, call_of, denied_by
from pytest_isolation.walls.seccomp.program import read_installed
from pytest_isolation.walls.seccomp.syscalls import call_numbers
from pytest_isolation.walls.seccomp.tries import ROWS

BARE = Caller(None, True, frozenset(), frozenset(), "", "")
ROOT = frozenset({"SYS_ADMIN", "BPF", "SYS_BOOT", "NET_RAW"})
ENFORCED = "docker-default (enforce)"


def filtered(rules: dict[str, int], caller: Caller = BARE) -> Caller:
    """Return the same process with a filter of these rules."""
    document = SOUND["docker"][0]()
    document["outside"]["process"]["filters"] = installed(program(rules))
    outside = record_of(document).outside
    assert outside is not None
    return replace(caller, filter=read_installed(outside.process, "x86_64"), unfiltered=False)


@pytest.mark.parametrize(
    ("row", "answer", "control", "caller", "told"),
    [
        ("bpf.prog_get_next_id", "EPERM", "ok", BARE, "refused: no CAP_SYS_ADMIN over the host"),
        (
            "bpf.prog_get_next_id",
            "EPERM",
            "ok",
            filtered({"bpf": EPERM}),
            "refused by its filter; behind it: no CAP_SYS_ADMIN over the host",
        ),
        (
            "bpf.prog_get_next_id",
            "EPERM",
            "ok",
            filtered({"bpf": EPERM}, replace(BARE, over_host=ROOT)),
            "refused by its filter; behind it: no wall that was seen",
        ),
        # the filter lets it through: it is not the author, whatever else it refuses
        (
            "bpf.prog_get_next_id",
            "EPERM",
            "ok",
            filtered({"mount": EPERM}),
            "refused: no CAP_SYS_ADMIN over the host",
        ),
        # the filter's errno is another than the answer: somebody before it (a tracer) or after it spoke
        (
            "bpf.prog_get_next_id",
            "EACCES",
            "ok",
            replace(filtered({"bpf": EPERM}, replace(BARE, over_host=ROOT)), label=ENFORCED),
            f"refused: its label '{ENFORCED}'",
        ),
        # in a user namespace of its own it may mount there, and not list the host's programs
        ("fsopen.no_such_fs", "ENODEV", "ENODEV", replace(BARE, over_own_namespace=ROOT), ""),
        ("pivot_root.null", "EPERM", "EFAULT", BARE, "refused: no CAP_SYS_ADMIN"),
        (
            "bpf.prog_get_next_id",
            "EPERM",
            "ok",
            replace(BARE, over_own_namespace=ROOT),
            "refused: no CAP_SYS_ADMIN over the host",
        ),
        ("kexec_load.bad_flags", "ENOSYS", "ENOSYS", BARE, "not in this kernel"),
        (
            "kexec_load.bad_flags",
            "SIGSYS",
            "EINVAL",
            filtered({"kexec_load": 0}),
            "refused by its filter; behind it: no CAP_SYS_BOOT over the host",
        ),
        (
            "userfaultfd.user_bad_flag",
            "EPERM",
            "EINVAL",
            BARE,
            "refused: by what was not seen here, a setting of the kernel or an LSM",
        ),
        ("perf.null", "EACCES", "EACCES", BARE, "refused: as on the host"),
        (
            "bpf.prog_get_next_id",
            "EPERM",
            "ok",
            replace(BARE, unfiltered=False),
            "refused: no CAP_SYS_ADMIN over the host; its filter was not read",
        ),
    ],
)
def test_each_wall_is_named(row: str, answer: str, control: str, caller: Caller, told: str) -> None:
    found = denied_by(row, answer, control, caller)

    assert found == told


def test_arguments_decide_where_filters_look_at_them() -> None:
    caller = filtered({"socket:0=40": EPERM}, replace(BARE, over_own_namespace=ROOT))

    assert denied_by("socket.vsock", "EPERM", "ok", caller).startswith("refused by its filter")
    assert denied_by("socket.alg", "EPERM", "ok", caller).startswith("refused: by what was not seen")


def test_every_row_has_a_call_that_the_kernel_knows() -> None:
    for row in ROWS:
        abi, call, _ = call_of(row)
        assert not call or call in call_numbers(abi or "x86_64"), row
    assert set(OVER_HOST) | set(OVER_OWN_NAMESPACE) <= set(ROWS)


def test_evidence_names_the_wall_that_refused() -> None:
    document = SOUND["docker"][0]()
    document["outside"]["process"]["filters"] = installed(program({"bpf": EPERM}))
    document["inside"]["system"]["tries"]["bpf.prog_get_next_id"] = {"result": "EPERM", "value": -1}
    record = record_of(document)

    inside, _ = show_evidence(record, ["system.tries[bpf.prog_get_next_id]"])

    assert explain_denial(record, "bpf.prog_get_next_id").startswith("refused by its filter")
    assert inside[0].endswith(f": {explain_denial(record, 'bpf.prog_get_next_id')}")


def test_a_sandbox_with_its_own_kernel_gets_no_explanation() -> None:
    assert explain_denial(record_of(SOUND["vm"][0]()), "bpf.prog_get_next_id") == ""


def test_an_unobserved_fact_gives_no_explanation() -> None:
    document = SOUND["docker"][0]()
    document["inside"]["system"]["tries"]["bpf.prog_get_next_id"] = {"unobserved": "EIO", "why": "fork to try"}

    inside, _ = show_evidence(record_of(document), ["system.tries[bpf.prog_get_next_id]"])

    assert inside == ("system.tries[bpf.prog_get_next_id] = not observed: fork to try (EIO)",)
