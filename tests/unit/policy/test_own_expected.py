"""pytest_isolation.policy.expected: a user's own file names own checks and known runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.judge.judge import suite_checks
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import bundled_ids, join_expected, load_expected, load_own_expected
from pytest_isolation.policy.verdict import check_of

RUNTIMES = ("docker", "runc")
ENTRY = "{verdict: open, source: ours}"


def load(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "isolation-expected.yaml"
    path.write_text(text)
    return dict(load_own_expected(path, RUNTIMES))


def test_own_entries_join_those_of_the_roles(tmp_path: Path) -> None:
    path = tmp_path / "isolation-expected.yaml"
    path.write_text(f"docker:\n  mine.a: {ENTRY}\n")
    own = load_own_expected(path, RUNTIMES)

    joined = join_expected(own, own)

    found = joined["docker"].find("mine.a", Conditions())
    assert found is not None
    assert found.source == "ours"
    assert join_expected({}, own).keys() == {"docker"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"dokcer:\n  mine.a: {ENTRY}\n", "there is no runtime 'dokcer'; did you mean 'docker'?"),
        (f"docker:\n  ns.pid: {ENTRY}\n", "'ns.pid' is a check of the bundled suite; waive it in isolation.yaml"),
        ("docker:\n  mine.a: {verdict: holds, source: ours}\n", "isolation-expected.yaml"),
        ("docker: 5\n", "isolation-expected.yaml"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(IsolationError) as caught:
        load(tmp_path, text)

    assert told in str(caught.value)


def test_bundled_ids_are_those_of_the_suite() -> None:
    assert bundled_ids() == {check_of(function).id for function in suite_checks()}


def test_a_check_of_a_role_that_there_is_not_names_line_and_nearest(tmp_path: Path) -> None:
    file = tmp_path / "expected.yaml"
    file.write_text("ns.pid: {verdict: open, source: a}\nns.pidd: {verdict: open, source: a}\n")

    with pytest.raises(
        IsolationError, match=r"expected.yaml:2: ns.pidd: there is no such check; did you mean 'ns.pid'"
    ):
        load_expected(file)
