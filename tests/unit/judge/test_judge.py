"""pytest_isolation.judge.judge and cli: the same functions over archived records, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from isolation_command import isolation
from sample_records import archived, blank

from pytest_isolation.judge.judge import judge_check, judge_files, suite_checks
from pytest_isolation.policy.expected import Expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Judgement, Verdict, check_of
from pytest_isolation.results.model import load_results


def test_no_check_of_the_suite_holds_on_unobserved_facts(tmp_path: Path) -> None:
    results, _ = judge_files([archived(blank(), tmp_path), archived(blank("qemu", "vm"), tmp_path)], Policy())

    assert len(suite_checks()) >= 40
    assert 2 * len(suite_checks()) == len(results.cells)
    assert {Verdict.UNKNOWN, Verdict.NOT_APPLICABLE} == {cell.verdict for cell in results.cells}
    assert [cell.reason for cell in results.cells if "Error" in cell.reason] == []


def test_every_check_of_the_suite_has_a_unique_id() -> None:
    ids = [check_of(function).id for function in suite_checks()]

    assert len(ids) == len(set(ids))
    assert [name for name in ids if "::" in name] == []


@pytest.mark.isolation("a.b", shows=["process.uid"])
def open_wall(sandbox: Any) -> None:
    """It is closed."""
    raise AssertionError(f"{sandbox.target.id} is open")


def judge_open_wall(policy: Policy) -> tuple[Judgement, str]:
    record = blank()
    cell = judge_check(open_wall, record, {"sandbox": type("View", (), {"target": record.target})}, policy)
    assert cell.inside == ("process.uid = not observed: nobody looked (EACCES)",)
    return cell.judgement, cell.reason


def test_policy_judges_what_the_check_observed() -> None:
    expected = Expected.model_validate({"a.b": {"verdict": "open", "source": "docs"}})

    assert judge_open_wall(Policy()) == (Judgement.FINDING, "docker is open")
    assert judge_open_wall(Policy(expected={"docker": expected})) == (Judgement.DOCUMENTED, "docker is open")


def test_the_command_judges_writes_a_report_and_draws_it_again(tmp_path: Path) -> None:
    path = archived(blank(), tmp_path / "facts")
    first = isolation("judge", path, "--report", tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    (tmp_path / "report" / "index.html").unlink()
    second = isolation("report", tmp_path / "report")

    assert (first.returncode, first.stderr) == (1, "")
    assert "Findings, the worst first" in first.stdout
    assert (0, first.stdout) == (second.returncode, second.stdout)
    assert page == (tmp_path / "report" / "index.html").read_text()
    assert path.name in [file.name for file in (tmp_path / "report" / "facts").iterdir()]
    assert {"docker"} == {cell.target for cell in load_results(tmp_path / "report").cells}


OWN = """
import pytest
import helper_of_mine

@pytest.mark.isolation("mine.hostname", severity="high", gains="knows the host's name")
def test_hostname(sandbox):
    \"\"\"It has a host name of its own.\"\"\"
    assert sandbox.target.id != helper_of_mine.NAME, "it is called docker"

@pytest.mark.isolation("mine.live")
def test_needs_a_live_sandbox(sandbox_factory):
    pass

def test_without_a_marker(sandbox):
    raise RuntimeError
"""
OWN_EXPECTED = "docker:\n  mine.hostname: {verdict: open, source: our own page}\n"


BROKEN = """
import pytest

@pytest.mark.isolation("mine.broken")
def test_broken(sandbox):
    \"\"\"It reads a fact that is not there.\"\"\"
    assert list(sandbox.target.versions)[7]
"""


def test_a_check_that_breaks_is_a_finding_that_names_the_check_and_the_fact(tmp_path: Path) -> None:
    module = tmp_path / "test_broken.py"
    module.write_text(BROKEN)

    done = isolation(
        "judge", archived(blank(), tmp_path / "facts"), "--checks", module, "--report", tmp_path / "report"
    )
    (cell,) = [cell for cell in load_results(tmp_path / "report").cells if cell.check == "mine.broken"]

    assert (done.returncode, done.stderr) == (1, "")
    assert "mine.broken" in done.stdout
    assert (cell.verdict, cell.judgement) == ("unknown", "finding")
    assert cell.reason == "IndexError: list index out of range at 'assert list(sandbox.target.versions)[7]'"


def test_own_checks_and_own_exceptions_are_judged_too(tmp_path: Path) -> None:
    path = archived(blank(), tmp_path / "facts")
    module, expected = tmp_path / "test_mine.py", tmp_path / "isolation-expected.yaml"
    module.write_text(OWN)
    (tmp_path / "helper_of_mine.py").write_text("NAME = 'docker'\n")
    expected.write_text(OWN_EXPECTED)
    found = {}
    for name, more in (("open", ()), ("documented", ("--expected", expected))):
        done = isolation("judge", path, "--checks", module, *more, "--report", tmp_path / name)
        assert done.stderr == ""
        found[name] = load_results(tmp_path / name)
    own = {name: next(c for c in all_.cells if c.check == "mine.hostname") for name, all_ in found.items()}

    assert (own["open"].verdict, own["open"].judgement, own["open"].reason) == (
        "open",
        "finding",
        "it is called docker",
    )
    assert (own["documented"].judgement, own["documented"].source) == ("documented", "our own page")
    assert [one.what for one in found["open"].skipped if one.what.startswith("mine")] == ["mine.live"]
    assert len(found["open"].cells) > len(suite_checks()) - 10


PARAMETRISED = """
import pytest

@pytest.fixture
def mine(request):
    return request.param

@pytest.mark.isolation("mine.name", severity="high")
@pytest.mark.parametrize("name", ["docker", pytest.param("lxc", id="no where")])
@pytest.mark.parametrize(("number", "word"), [(1, "[ä"), (2.5, None)])
def test_name(name, sandbox, number, word):
    \"\"\"It has another name.\"\"\"
    assert sandbox.target.id != name, f"it is called {name}, {number}"

@pytest.mark.isolation("mine.default")
def test_default(sandbox, number=3):
    \"\"\"It has four.\"\"\"
    assert number == 4, f"it has {number}"

@pytest.mark.isolation("mine.indirect")
@pytest.mark.parametrize("mine", [1, 2], indirect=True)
def test_indirect(sandbox, mine):
    pass
"""


def test_a_parametrised_check_is_judged_with_the_ids_and_reasons_of_the_run(tmp_path: Path) -> None:
    module = tmp_path / "test_mine.py"
    module.write_text(PARAMETRISED)

    done = isolation(
        "judge", archived(blank(), tmp_path / "facts"), "--checks", module, "--report", tmp_path / "report"
    )
    results = load_results(tmp_path / "report")

    assert (done.returncode, done.stderr) == (1, "")
    assert {c.check: (c.verdict, c.reason) for c in results.cells if c.check.startswith("mine.")} == {
        r"mine.name[1-[\xe4-docker]": ("open", "it is called docker, 1"),
        r"mine.name[1-[\xe4-no where]": ("holds", ""),
        "mine.name[2.5-None-docker]": ("open", "it is called docker, 2.5"),
        "mine.name[2.5-None-no where]": ("holds", ""),
        "mine.default": ("open", "it has 3"),
    }
    left_out = "asks for mine: an archive has only sandbox, host_facts, peer"
    assert {one.what: one.reason for one in results.skipped if one.what.startswith("mine.")} == {
        "mine.indirect[1]": left_out,
        "mine.indirect[2]": left_out,
    }


def test_the_users_settings_of_pytest_do_not_reach_the_parameters(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PARAMETRISED)
    (tmp_path / "conftest.py").write_text("raise RuntimeError('a conftest.py runs')\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --isolation=container\npython_functions = it_*\n")

    done = isolation("judge", archived(blank(), tmp_path / "facts"), "--checks", tmp_path / "test_mine.py")

    assert (done.returncode, done.stderr) == (1, "")
    assert "mine.name[2.5-None-docker]" in done.stdout


@pytest.mark.parametrize(
    ("option", "text", "where"),
    [
        ("--expected", "docker:\n  ns.piid: {verdict: open, source: a}\n", "mine.yaml"),
        (
            "--waivers",
            "waivers:\n  - {check: ns.pidd, target: docker, reason: r, owner: o, until: 2026-12-31}\n",
            "a waiver",
        ),
    ],
)
def test_a_check_that_there_is_not_is_refused_in_a_users_file_as_in_a_session(
    tmp_path: Path, option: str, text: str, where: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    done = isolation("judge", archived(blank(), tmp_path / "facts"), option, file)

    assert done.returncode == 4
    assert f"{where} names the check 'ns.pi" in done.stderr
    assert "', which there is not; did you mean 'ns.pid'?" in done.stderr
    assert done.stdout == ""


def test_a_waiver_may_name_a_check_of_the_users_own(tmp_path: Path) -> None:
    module, waivers = tmp_path / "test_mine.py", tmp_path / "isolation.yaml"
    module.write_text(PARAMETRISED.replace("mine.default", "ns.pidd"))
    waivers.write_text("waivers:\n  - {check: ns.pidd, target: docker, reason: r, owner: o, until: 2026-12-31}\n")
    facts = archived(blank(), tmp_path / "facts")

    assert isolation("judge", facts, "--waivers", waivers, "--checks", module).returncode == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such Python module"),
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
        (
            "import pytest\n@pytest.mark.isolation('a.b')\n@pytest.mark.parametrize('y', [1])\ndef test_x(): pass\n",
            "In test_mine.py::test_x: function uses no argument 'y'",
        ),
        ("def test_x(sandbox): pass\n", "holds no test with the marker 'isolation' and an id"),
        ("import pytest\n@pytest.mark.isolation('a.b', severty='low')\ndef test_x(): pass\n", "unknown key 'severty'"),
    ],
)
def test_a_module_without_checks_is_an_error_that_names_it(tmp_path: Path, text: str | None, message: str) -> None:
    module = tmp_path / "test_mine.py"
    if text is not None:
        module.write_text(text)
    done = isolation("judge", archived(blank(), tmp_path), "--checks", module)

    assert done.returncode == 4
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("judge", "nope.json"), "cannot read 'nope.json': No such file or directory"),
        (("judge", "/dev/null"), "cannot read"),
        (("judge", "/dev/null", "--profile", "basline@1"), "did you mean 'baseline@1'?"),
        (("report", "/nonexistent"), "cannot read '/nonexistent': No such file or directory"),
        (("jugde",), "No such command 'jugde'"),
        (("judge",), "Missing argument"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_status_4(args: tuple[str, ...], message: str) -> None:
    done = isolation(*args)

    assert done.returncode == 4
    assert message in done.stderr
    assert "Traceback" not in done.stderr
