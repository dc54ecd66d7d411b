"""pytest_isolation.policy.parameters: which parameters belong to a check, on items that pytest itself collects."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.verdict import check_of

pytest_plugins = ["pytester"]

PLUGIN = """
import pytest

def pytest_configure(config):
    config.addinivalue_line("markers", "isolation(id)")

@pytest.fixture
def isolation_target(request): return request.param

@pytest.fixture
def sandbox(isolation_target): return isolation_target

@pytest.fixture(params=["one", "two"])
def way(request): return request.param

@pytest.fixture
def over_way(way): return way

@pytest.fixture
def backend(request): return request.param

@pytest.fixture
def _step(request): return request.param

@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    if "isolation_target" in metafunc.fixturenames:
        metafunc.parametrize("isolation_target", ["docker", "docker-rootless"], indirect=True, scope="session")
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", ["sql"], indirect=True)
    metafunc.fixturenames.append("_step")
    metafunc.parametrize("_step", range(2), indirect=True, ids=lambda n: f"{n + 1}-2")
"""
ALONE = ("-p", "no:randomly", "-p", "no:isolation", "-p", "no:repeat")
BOTH = 4  # targets × repeats


@pytest.mark.parametrize(
    ("test", "suffixes"),
    [
        ("def test_a(sandbox): pass", [""]),
        ("@P('net', ['tcp', 'udp'])\ndef test_a(sandbox, net): pass", ["[tcp]", "[udp]"]),
        (
            "@P('name', ['docker', 'docker-rootless'])\ndef test_a(sandbox, name): pass",
            ["[docker]", "[docker-rootless]"],
        ),
        ("@P('a', ['x-y', 'z[1]', 'b::c'])\ndef test_a(sandbox, a): pass", ["[x-y]", "[z[1]]", "[b::c]"]),
        ("@P('a,b', [(1, 2), (3, 4)])\ndef test_a(sandbox, a, b): pass", ["[1-2]", "[3-4]"]),
        ("@P(('a', 'b'), [(1, 2)])\n@P('c', [3])\ndef test_a(sandbox, a, b, c): pass", ["[3-1-2]"]),
        ("def test_a(sandbox, way): pass", ["[one]", "[two]"]),
        ("def test_a(sandbox, over_way): pass", ["[one]", "[two]"]),
        ("@pytest.mark.usefixtures('way')\ndef test_a(sandbox): pass", ["[one]", "[two]"]),
        ("def test_a(sandbox, backend): pass", ["[sql]"]),
        ("@P('a', [1, 2], ids=['1-2', '2-2'])\ndef test_a(sandbox, a): pass", ["[1-2]", "[2-2]"]),
        ("class TestB:\n    @P('a', [1])\n    def test_a(self, sandbox, a): pass", ["[1]"]),
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_only_what_the_test_asks_for_is_part_of_the_id(
    pytester: pytest.Pytester, test: str, suffixes: list[str], marked: bool
) -> None:
    folder = pytester.mkdir("own[1]")
    (folder / "conftest.py").write_text(PLUGIN)
    mark = "pytestmark = pytest.mark.isolation('ns.pid')\n" if marked else ""
    source = folder / "test_own.py"
    source.write_text(f"import pytest\nP = pytest.mark.parametrize\n{mark}\n{test}\n")

    items, _ = pytester.inline_genitems(*ALONE, str(pytester.path))

    name = "own[1]/test_own.py::TestB::test_a" if "TestB" in test else "own[1]/test_own.py::test_a"
    base = "ns.pid" if marked else name
    assert len(items) == BOTH * len(suffixes)
    assert {check_of(item).id for item in items} == {base + suffix for suffix in suffixes}
    assert {check_of(item).nodeid for item in items} == {name}


def test_a_hidden_id_does_not_hide_the_target(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLUGIN.replace("_step", "sandbox_step"))
    pytester.makepyfile(
        "import pytest\n@pytest.mark.isolation('ns.pid')\n"
        "@pytest.mark.parametrize('a', [pytest.param(1, id=pytest.HIDDEN_PARAM)])\ndef test_a(sandbox, a): pass\n"
    )

    items, _ = pytester.inline_genitems(*ALONE, str(pytester.path))

    assert all("docker" not in check_of(item).id for item in items)
