"""Renders docs/reference/environments.md: the environments and the settings of pytest that tests try, one row for each.

In: the tables of faults/environments.py and blunting.py.  Out: the page.  script/reference writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blunting import BLUNTINGS
from faults.environments import DISKS, LIMITS, PROBES, STREAMS, Row

HEAD = """\
<!-- Written by script/reference from tests/faults/environments.py and tests/blunting.py. -->
# Environments

What does not allow a program to do its work is one line that names the cause and the remedy.
No traceback leaves a program, and nothing is left behind.
Each row is a test of the lane `faults-wide`, with each of its commands; `faults` runs one of each kind.

`session` is `pytest --isolation=container`; `judge`, `checks` and `known` are commands of `isolation`,
the others of `provisioner`.
`$H` is PYTEST_ISOLATION_HOME, `$W` the working folder.
"""
PARTS = (
    ("Folders, users and locales", DISKS),
    ("The probe", PROBES),
    ("Limits of the process", LIMITS),
    ("Standard streams", STREAMS),
)
PYTEST = """\
## Settings of pytest

A check is judged whatever a setting says, or the run says `not judged: N of M checks` with the reason.
Each row is a test of the lane `sessions`.

| outcome | what it means |
|---|---|
| whole | all checks are judged, with the same verdicts |
| told | the run says how many checks have no verdict and what left them out; its exit status is not 0 |
| chosen | it says so too; the command line itself selects tests, so the exit status is that of the tests that ran |
| refused | a usage error (exit status 4) before anything runs |

What the command line itself asks for can still make a run smaller:
`-k`, `-m`, `--deselect`, `--lf`, `--sw`, paths, `-x` after the first failure, `--collect-only`.
`--isolation-require` and `--isolation-max-skip` fail a run that tests less than you want.
A test of your own is Python code: `assert` in it is blunted by `PYTHONOPTIMIZE`, as in every pytest run.

| setting | outcome |
|---|---|
"""


def render_environments() -> str:
    """Return the page."""
    parts = [f"## {title}\n\n{_table(_environments(rows))}" for title, rows in PARTS]
    settings = "".join(f"| {_code(one.name)} | {one.outcome} |\n" for one in BLUNTINGS)
    return "\n".join([HEAD, *parts, PYTEST + settings])


def _environments(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    return [
        (row.name, _setup(row), ", ".join(row.commands), _promise(row), ", ".join(map(str, row.statuses)))
        for row in rows
    ]


def _setup(row: Row) -> str:
    text = row.setup.strip().rstrip(";")
    last = row.last.removeprefix("exec ").strip()
    shown = text if last == '"$@"' else f"{text}; {last}".lstrip("; ")
    return _code(shown) if shown else ""


def _promise(row: Row) -> str:
    texts = [f"“{text}”" for text in (row.says, row.hint) if text]
    if texts:
        return f"one line with {' and '.join(texts)}"
    return "it works" if {*row.statuses} <= {0, 1} else "it works, or is one line"


def _code(text: str) -> str:
    """Return a shell text as code; the working folder of the tests is in their home."""
    return "`" + text.replace("$H/work", "$W").replace("|", "\\|").replace("\n", " ") + "`"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| name | environment | commands | promise | exit status |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
