"""What of pytest could drop or blunt a check, and what happens then: the table of tests/sessions/test_blunted.py.

docs/reference/environments.md shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# whole: every check is judged as without it
# told: the run says "not judged: N of M checks", and its exit status is not 0
# chosen: the run says so too, and the exit status is that of what was judged: the command line itself selects tests
# refused: a usage error before anything runs
Outcome = Literal["whole", "told", "chosen", "refused"]


@dataclass(frozen=True)
class Blunting:
    """
    A setting, an option, a variable or a plugin.

    Args:
        name: what it is, for people.
        outcome: what happens.
        ini: lines of the ini file.
        args: words of the command line.
        env: variables.
        plugin: the source of a plugin.
    """

    name: str
    outcome: Outcome
    ini: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    plugin: str = ""


def _ini(line: str, outcome: Outcome, plugin: str = "") -> Blunting:
    return Blunting(f"ini: {line}", outcome, ini=line, plugin=plugin)


def _option(words: str, outcome: Outcome) -> Blunting:
    return Blunting(words, outcome, args=tuple(words.split()))


def _plugin(name: str, source: str) -> Blunting:
    return Blunting(f"a plugin or conftest.py: {name}", "told", plugin=source)


SKIPPING = "import pytest\n\n@pytest.fixture\ndef skips(): pytest.skip('not here')\n"

BLUNTINGS = (
    _ini("python_files = it_*.py", "whole"),
    _ini("python_functions = it_*", "whole"),
    _ini("python_classes = Nothing", "whole"),
    _ini("norecursedirs = * suite kernel privileges", "whole"),
    _ini("testpaths = own", "whole"),
    _ini("collect_imported_tests = false", "whole"),
    _ini("addopts = --ignore-glob=*test_s* --ignore-glob=*suite*", "whole"),
    _ini("addopts = --assert=plain", "whole"),
    _ini("addopts = --doctest-modules --import-mode=importlib", "whole"),
    _ini("addopts = --runxfail -p no:warnings -p no:logging", "whole"),
    _ini("strict = true", "whole"),
    _ini("xfail_strict = true", "whole"),
    _ini("filterwarnings = error", "whole"),
    _ini("addopts = -k ns.", "told"),
    _ini("addopts = -m nothing", "told"),
    _ini("addopts = --setup-only", "told"),
    _ini("addopts = --setup-plan", "told"),
    _ini("addopts = --collect-only", "refused"),
    _ini("addopts = --fixtures", "refused"),
    _ini("usefixtures = skips", "told", SKIPPING),
    _option("-k ns.", "chosen"),
    _option("--pyargs pytest_isolation.suite.namespaces.test_users", "chosen"),
    _option("--setup-only", "told"),
    _option("-p no:python", "told"),
    _option("-p no:skipping", "whole"),
    _option("-p no:terminal", "whole"),
    _option("-x --maxfail=1 --noconftest", "whole"),
    _option("-p no:isolation", "refused"),
    Blunting("PYTEST_ADDOPTS=-kns.", "told", env={"PYTEST_ADDOPTS": "-kns."}),
    Blunting("PYTEST_ADDOPTS=--co", "refused", env={"PYTEST_ADDOPTS": "--co"}),
    Blunting("PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "refused", env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
    Blunting("PYTHONOPTIMIZE=1", "whole", env={"PYTHONOPTIMIZE": "1"}),
    Blunting("PYTHONOPTIMIZE=2 --assert=plain", "whole", args=("--assert=plain",), env={"PYTHONOPTIMIZE": "2"}),
    _plugin("deletes items", "def pytest_collection_modifyitems(items): del items[7:]\n"),
    _plugin(
        "marks one as skipped",
        "import pytest\n\ndef pytest_collection_modifyitems(items): items[0].add_marker(pytest.mark.skip)\n",
    ),
    _plugin("skips in a hook", "import pytest\n\ndef pytest_runtest_setup(item): pytest.skip('slow')\n"),
)
