"""Shows the facts that a check names in its marker's `shows`, as lines of a report.

In: a `Record`, and paths such as "process.namespaces.pid" and "system.tries[perf.null]".
Out: the lines of the inside view and those of the outside view.  A fact that is missing is shown as missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import cast

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.status import Capabilities
from provisioner.observed import FactMap, Observed, Unobserved
from pytest_isolation.judge.denied_by import explain_denial
from pytest_isolation.judge.filters import filter_lines
from pytest_isolation.records.record import Record
from pytest_isolation.walls.capabilities import NAMES, names_in
from pytest_isolation.walls.tasks import name_task

MAX_VALUE = 160
TRY = "system.tries["
MAX_LISTED = 8
MAX_TASKS = 4
NOT_HERE = "not in these facts"


def show_evidence(record: Record, shows: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Return the named facts as seen from inside and from outside, one line each.

    The outside line has the host's view of the subject and the host's own value; for a VM only the host's own value.
    A try that was refused is shown with the wall that refused it.

    Args:
        record: what was observed of the target.
        shows: paths of facts.  "loads.", "reaches." and "shared_file" name what was measured, "exec." an exec'd
            process, "vmm." the hypervisor's process, "image." the image, and "filter" the installed seccomp filter.

    Returns:
        The lines from inside, and those from outside.
    """
    inside: list[str] = []
    outside: list[str] = []
    host = record.raw("host")
    for path in shows:
        if path == "filter":
            outside += filter_lines(record)
            continue
        if path.partition(".")[0] in ("loads", "reaches", "shared_file", "declared", "network"):
            inside.append(f"{path} = {show_fact(record, path)}")
            continue
        if path.startswith("image."):
            outside.append(f"{path} = {show_fact(record, path)} (before it was started)")
            continue
        if path.startswith("vmm."):
            outside.append(f"{path} = {_show_vmm(record, path.removeprefix('vmm.'))}")
            continue
        if path.startswith("exec."):
            inside.append(f"{path} = {show_fact(record.raw('exec_'), path.removeprefix('exec.'))}")
            continue
        inside.append(f"{path} = {show_fact(record.raw('inside'), path)}{_show_denial(record, path)}")
        of_host = show_fact(host, path)
        subject = record.raw("outside")
        if isinstance(subject, Facts):
            outside.append(f"{path} = {show_fact(subject, path)} (the host's own: {of_host})")
            outside += _of_tasks(subject, path)
        else:
            outside.append(f"the host's own {path} = {of_host}")
    return tuple(inside), (*outside, *_left_out(record.raw("outside")))


def _of_tasks(facts: Facts, path: str) -> list[str]:
    """Return a line for each task of the sandbox in which a fact of the process differs from the subject's."""
    tasks = facts.raw("tasks")
    if not path.startswith("process.") or not isinstance(tasks, list):
        return []
    name = path.removeprefix("process.")
    own = show_fact(facts, path)
    lines = [
        f"{path} = {value} in {name_task(task)}"
        for task in tasks
        if (value := show_fact(task, name)) not in (own, NOT_HERE)
    ]
    more = len(lines) - MAX_TASKS
    return lines[:MAX_TASKS] + ([f"{path}: another value in {more} more"] if more > 0 else [])


def _left_out(facts: object) -> list[str]:
    """Say how many tasks do not count, because they ended or had not started their program."""
    number = facts.raw("left_out") if isinstance(facts, Facts) else None
    return [f"{number} further tasks do not count: they ended, or had not started their program"] if number else []


def _show_denial(record: Record, path: str) -> str:
    """Return what refused a try, as ": refused by its filter; behind it …"; "" if unknown, and for other facts."""
    if not path.startswith(TRY):
        return ""
    try:
        explained = explain_denial(record, path.removeprefix(TRY).removesuffix("]"))
    except UnobservedFact:
        return ""  # the missing fact has its own line
    return f": {explained}" if explained else ""


def show_fact(facts: object, path: str) -> str:
    """
    Return one fact as text.

    Args:
        facts: the document or another holder of facts; of a document the process, limits and system are searched first.
        path: the dotted path of the fact.

    Returns:
        The value, or that it was not observed, or that it is not in these facts.
    """
    if isinstance(facts, Unobserved):
        return _show(facts)
    roots = [facts]
    if isinstance(facts, Facts):
        roots = [facts.raw(name) for name in ("process", "limits", "system")] + [facts]
    for root in roots:
        found, value = _look_up(root, path)
        if found:
            return _show(value)
    return NOT_HERE


def _show_vmm(record: Record, path: str) -> str:
    vmm = record.raw("vmm")
    return "there is no hypervisor" if vmm is None else show_fact(vmm, path)


def _look_up(value: object, path: str) -> tuple[bool, object]:
    rest, holder = path, None
    while rest:
        holder, here = value, _held_by(value)
        head = next(((name, after) for name, after in _heads(rest) if name in here), None)
        if head is None:
            return type(value) is Unobserved, value
        value, rest = here[head[0]], head[1]
    if isinstance(holder, Capabilities) and isinstance(value, int):
        return True, _show_mask(value)
    return True, value


@cache
def _show_mask(mask: int) -> str:
    """Return a set of capabilities(7) by name, in the order of their bits: "0x420: KILL, NET_BIND_SERVICE"."""
    held = names_in(mask)
    lacking = [name for name in NAMES if name not in held]
    if len(lacking) < len(held):
        return f"{mask:#x}: all{' but ' if lacking else ''}{', '.join(lacking)}"
    named = [name for name in NAMES if name in held] + sorted(held.difference(NAMES))
    return f"{mask:#x}: {', '.join(named) or 'none'}"


def _held_by(value: object) -> Mapping[str, object]:
    if isinstance(value, FactMap):
        return cast("Mapping[str, object]", value.root)
    return value.__dict__ if isinstance(value, Observed) else {}


@cache
def _heads(path: str) -> tuple[tuple[str, str], ...]:
    """
    Return each name that the path may start with, and the rest of the path, the longest name first.

    The names of paths and tries contain dots.
    """
    parts = re.sub(r"\[([^\]]*)\]", r".\1", path).split(".")
    return tuple((".".join(parts[:count]), ".".join(parts[count:])) for count in range(len(parts), 0, -1))


def _show(value: object) -> str:
    text = _text(value)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, str | int | float):  # first, since most values are: isinstance of a model is slow
        return str(value)
    if isinstance(value, dict):
        return " ".join(f"{name}={_text(one)}" for name, one in list(value.items())[:MAX_LISTED])
    if isinstance(value, list | tuple):
        shown = ", ".join(_text(one) for one in value[:MAX_LISTED])
        more = len(value) - MAX_LISTED
        return f"[{shown}{f', and {more} more' if more > 0 else ''}]"
    if isinstance(value, Unobserved):
        return f"not observed: {value.why}{f' ({value.unobserved})' if value.unobserved else ''}"
    if isinstance(value, Capabilities):
        return " ".join(f"{name}={mask:#x}" for name, mask in value.__dict__.items())
    if isinstance(value, FactMap):
        return _text(value.root)
    if isinstance(value, Observed):
        return _text(value.__dict__)
    return str(value)
