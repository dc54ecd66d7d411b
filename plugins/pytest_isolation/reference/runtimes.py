"""The page docs/reference/runtimes.md: what each runtime is documented to leave open, and what it cannot do.

In: the roles' runtime.yaml and expected.yaml.  Out: Markdown.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from provisioner.runtimes.runtime import Runtime
from pytest_isolation.policy.expected import Documented, Expected, When
from pytest_isolation.reference.checks import plain

HEAD = """\
# The runtimes

What the default configuration of each runtime leaves open, with the source that documents it.
The matrix shows these as `~`; they are no findings.
Every other check must hold.
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


def render_runtimes(runtimes: Iterable[Runtime], expected: Mapping[str, Expected]) -> str:
    """
    Return the page of all runtimes.

    Args:
        runtimes: all of them.
        expected: their documented exceptions, by name; a runtime may have none.
    """
    sections = ("\n".join(_section(runtime, expected.get(runtime.name))) for runtime in runtimes)
    return "\n".join([HEAD, *sections])


def _section(runtime: Runtime, expected: Expected | None) -> Iterator[str]:
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
    rows = list(_rows(expected))
    if rows:
        yield "| check | verdict | when | source |\n|---|---|---|---|"
        yield from rows
        yield ""


def _rows(expected: Expected | None) -> Iterator[str]:
    for check, entries in sorted((expected.root if expected else {}).items()):
        for entry in entries if isinstance(entries, list) else [entries]:
            yield f"| {check} | {_verdict(entry)} | {_when(entry.when)} | {plain(entry.source)} |"


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
