"""The page docs/reference/runtimes.md: what each runtime is documented to leave open, and what it cannot do.

In: the roles' runtime.yaml and expected.yaml.  Out: Markdown.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from provisioner.runtimes.runtime import Runtime
from pytest_isolation.policy.expected import Documented, Expected, When
from pytest_isolation.reference.checks import plain

Seen = Mapping[str, Sequence[str]]

HEAD = """\
# The runtimes

What the default configuration of each runtime leaves open, with the source that documents it.
The matrix shows these as `~`; they are no findings.
Every other check must hold.
*Seen on* names the hosts on which a run of the suite met the exception (`script/exceptions`).
An empty cell is documented and was not met: its condition, or a file of the kernel, is on none of these hosts.
This page is made from `roles/*/runtime.yaml` and `roles/*/expected.yaml` by `script/reference`.
"""
WORDS = {
    "cgroup": "cgroup {}",
    "kernel": "Linux {}",
    "lsm": "LSM {}",
    "option": "with {}",
    "user": "user: {}",
    "variant": "variant {}",
    "provider": "started by {}",
}


def render_runtimes(
    runtimes: Iterable[Runtime], expected: Mapping[str, Expected], seen: Mapping[str, Seen] | None = None
) -> str:
    """
    Return the page of all runtimes.

    Args:
        runtimes: all of them.
        expected: their documented exceptions, by name; a runtime may have none.
        seen: on which hosts each exception was met, by the runtime's name.
    """
    known = seen or {}
    sections = (
        "\n".join(_section(runtime, expected.get(runtime.name), known.get(runtime.name, {}))) for runtime in runtimes
    )
    return "\n".join([HEAD, *sections])


def _section(runtime: Runtime, expected: Expected | None, seen: Seen) -> Iterator[str]:
    yield f"## {runtime.name}\n"
    yield f"{plain(runtime.title)}: a {runtime.kind}; on the host it is {_BOUNDARIES[runtime.boundary]}.\n"
    yield f"- install: `{runtime.install}`"
    for one in runtime.verified:
        yield f"- verified: {one.where}, {runtime.name} {one.version}, cgroup {one.cgroup}, {one.on}"
    for name, reason in runtime.cannot.items():
        yield f"- no {name}: {plain(reason)}"
    for symptom in runtime.symptoms:
        yield f"- when {plain(symptom.cause)}: {plain(symptom.mend)}"
    yield ""
    rows = list(_rows(expected, seen))
    if rows:
        yield "| check | verdict | when | source | seen on |\n|---|---|---|---|---|"
        yield from rows
        yield ""


def _rows(expected: Expected | None, seen: Seen) -> Iterator[str]:
    for check, entry in entries_of(expected) if expected else ():
        where = plain("; ".join(seen.get(key_of(check, entry), ())))
        yield f"| {check} | {_verdict(entry)} | {_when(entry.when)} | {plain(entry.source)} | {where} |"


def entries_of(expected: Expected) -> Iterator[tuple[str, Documented]]:
    """Yield each documented exception with the id of its check, sorted by the id."""
    for check, entries in sorted(expected.root.items()):
        for entry in entries if isinstance(entries, list) else [entries]:
            yield check, entry


def key_of(check: str, entry: Documented) -> str:
    """Return a text that names one exception: it changes when the exception does."""
    return " | ".join(filter(None, [check, _verdict(entry), _when(entry.when), entry.source]))


def _verdict(entry: Documented) -> str:
    reasons = [entry.because] if isinstance(entry.because, str) else entry.because or []
    return f"{entry.verdict}: {plain(' | '.join(reasons))}" if reasons else entry.verdict


def _when(when: When) -> str:
    conditions = when.model_dump(exclude_none=True)
    return plain(
        ", ".join(WORDS.get(name, f"{name.replace('_', ' ')} {{}}").format(conditions[name]) for name in conditions)
    )


_BOUNDARIES = {
    "process": "its first process",
    "sentry": "the sentry's process",
    "vmm": "the hypervisor's process",
    "none": "nothing: it claims no wall",
}
