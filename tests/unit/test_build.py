"""Which probe is taken, when it is built anew, and what is said when it cannot be."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from provisioner import paths
from provisioner.connection.local import Completed
from provisioner.errors import IsolationError
from provisioner.images import apt
from provisioner.probe import build, compilers
from provisioner.probe.build import probe_binary, source_hash

ALL = ("musl-gcc", "cc", "zig", "tcc")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTEST_ISOLATION_CC", raising=False)
    return tmp_path / "home"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is quick to compile, in the probe's place."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "main.c").write_text("int main(void) { return 64; }\n")
    monkeypatch.setattr(build, "SOURCES", folder)
    return folder


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A compiler that writes a script which exits as the probe would; gives the names that were asked."""
    asked: list[str] = []

    def plan_for(name: str) -> object:
        def plan(binary: Path, wanted: str) -> object:
            asked.append(name)
            yield ["sh", "-c", f"printf '#!/bin/sh\\nexit 64\\n' > {binary}; chmod +x {binary}"]

        return plan

    monkeypatch.setattr(compilers, "COMPILERS", {name: plan_for(name) for name in ALL})
    return asked


def test_a_build_is_kept_and_found_again(sources: Path, compiler: list[str], home: Path) -> None:
    first = probe_binary()

    assert probe_binary() == first
    assert compiler == ["musl-gcc"]
    assert first.path == home / "cache" / f"probe-{first.hash}" / "probe"
    assert first.path.stat().st_mode & 0o777 == 0o755
    assert first.path.parent.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in (home / "cache").iterdir()) == [f"probe-{first.hash}", "probe.lock"]


def test_a_changed_source_or_target_is_another_build(sources: Path) -> None:
    before = source_hash()
    assert source_hash(machine="aarch64" if platform.machine() != "aarch64" else "x86_64") != before
    (sources / "main.c").write_text("int main(void) { return 65; }\n")

    assert source_hash() != before
    assert len(before) == 16


def test_every_source_of_the_probe_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [path.relative_to(build.SOURCES) for path in build.SOURCES.rglob("*.[ch]")]
    copy = tmp_path / "probe"
    shutil.copytree(build.SOURCES, copy)
    monkeypatch.setattr(build, "SOURCES", copy)
    hashes = [source_hash()]
    for name in names:
        (copy / name).write_text("/* changed */\n")
        hashes.append(source_hash())

    assert len(names) > 40
    assert len(set(hashes)) == len(hashes)


def test_a_damaged_binary_is_built_again(sources: Path, compiler: list[str]) -> None:
    built = probe_binary()
    good = built.path.read_bytes()
    built.path.write_bytes(good[:-3])

    assert probe_binary().path.read_bytes() == good
    assert len(compiler) == 2


def test_a_wheels_binary_is_taken_when_it_is_of_these_sources(sources: Path, compiler: list[str]) -> None:
    folder = sources / "prebuilt" / platform.machine()
    folder.mkdir(parents=True)
    (folder / "probe").write_bytes(b"carried")
    (folder / "hash").write_text(source_hash() + "\n")
    built = probe_binary()

    assert (built.compiler, built.path.read_bytes(), compiler) == ("prebuilt", b"carried", [])
    (sources / "main.c").write_text("int main(void) { return 64 ; }\n")
    assert probe_binary().compiler == "musl-gcc"


def iter_one(argv: list[str], binary: Path, wanted: str) -> Iterator[list[str]]:
    yield argv


def test_the_next_compiler_is_tried_when_one_fails(
    sources: Path, compiler: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, argv in (("musl-gcc", ["false"]), ("cc", ["/nonexistent/cc"])):
        monkeypatch.setitem(compilers.COMPILERS, name, partial(iter_one, argv))

    assert probe_binary().compiler == "zig"


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc: apt-get install gcc libc6-dev")
@pytest.mark.parametrize("refused", ["", "-fstack-protector-strong"])
def test_hardening_is_left_out_if_the_compiler_does_not_have_it(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin/musl-gcc"
    refuse = f'case " $* " in *" {refused or "nothing"} "*) exit 1;; esac'
    compiler.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n{refuse}\nexec cc "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    built = probe_binary()
    calls = [line.split() for line in (tmp_path / "log").read_text().splitlines()]

    assert built.compiler == "musl-gcc"
    assert set(compilers.HARDENING) <= set(calls[0])
    assert len(calls) == (2 if refused else 1)
    assert bool(set(compilers.HARDENING) & set(calls[-1])) == (not refused)


def test_the_makefile_compiles_with_the_same_flags() -> None:
    text = (build.SOURCES / "Makefile").read_text()

    assert all(flag in text for flag in (*compilers.FLAGS, *compilers.HARDENING, *build.DEFINITIONS))


def test_a_binary_that_does_not_run_here_is_refused(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "COMPILERS", {"cc": lambda binary, wanted: iter([["cp", "/bin/true", str(binary)]])})

    with pytest.raises(IsolationError) as caught:
        probe_binary()
    assert "exits with status 0" in caught.value.log
    assert caught.value.what.startswith("cannot build the probe: no C compiler works: cc: ")


def test_no_compiler_is_one_line_with_its_mend(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "COMPILERS", {name: lambda binary, wanted: iter([]) for name in ALL})

    with pytest.raises(IsolationError) as caught:
        probe_binary()
    assert caught.value.what == "cannot build the probe: no C compiler"
    assert caught.value.hint == "apt-get install musl-tools, or pip install ziglang"


def test_an_unknown_compiler_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_CC", "icc")

    with pytest.raises(IsolationError, match="musl-gcc, cc, zig, tcc"):
        probe_binary()


def test_a_forced_compiler_alone_is_asked(sources: Path, compiler: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_CC", "zig")

    assert probe_binary().compiler == "zig"
    assert compiler == ["zig"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc: apt-get install gcc libc6-dev")
def test_the_probe_is_static_and_says_its_hash() -> None:
    built = probe_binary()
    head = built.path.read_bytes()

    assert head[:4] == b"\x7fELF"
    assert b"ld-linux" not in head
    assert b"ld-musl" not in head
    assert built.hash.encode() in head


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-gcc") is None,
    reason="needs a compiler for aarch64: apt-get install gcc-aarch64-linux-gnu",
)
def test_the_probe_compiles_for_aarch64(tmp_path: Path) -> None:
    sources = sorted(str(path) for path in build.SOURCES.rglob("*.c"))
    flags = [*compilers.FLAGS, *compilers.HARDENING, *build.DEFINITIONS, "-I", str(build.SOURCES), "-Wall", "-Werror"]
    argv = ["aarch64-linux-gnu-gcc", *flags, "-o", str(tmp_path / "probe"), *sources]

    subprocess.run(argv, check=True, timeout=900)


def test_the_sources_stay_short_and_narrow() -> None:
    for path in [*build.SOURCES.rglob("*.c"), *build.SOURCES.rglob("*.h")]:
        lines = path.read_text().splitlines()
        assert len(lines) <= 300, path.name
        assert [line for line in lines if len(line.expandtabs()) > 100] == [], path.name


def test_folders_have_the_modes_that_sandboxes_need(home: Path) -> None:
    modes = [folder().stat().st_mode & 0o777 for folder in (paths.cache_dir, paths.state_dir, paths.run_dir)]

    assert modes == [0o755, 0o711, 0o711]
    assert paths.cache_dir() == home / "cache"


def test_root_and_others_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ISOLATION_HOME")
    monkeypatch.setattr(paths, "_make", lambda path, mode: path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert [str(f()) for f in (paths.cache_dir, paths.state_dir, paths.run_dir)] == [
        "/var/cache/pytest-isolation",
        "/var/lib/pytest-isolation",
        "/run/pytest-isolation",
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/somebody/.cache")

    assert str(paths.cache_dir()) == "/home/somebody/.cache/pytest-isolation"


def test_a_folder_of_somebody_else_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.cache_dir()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)

    with pytest.raises(IsolationError, match="belongs to uid"):
        paths.cache_dir()


def answer(monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> list[Sequence[str]]:
    """Let every program of apt's answer the same; gives what was run."""
    ran: list[Sequence[str]] = []

    def run(argv: Sequence[str], *args: object, **options: object) -> Completed:
        ran.append(argv)
        return Completed(tuple(argv), code, b"", text.encode())

    monkeypatch.setattr(apt, "run_command", run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(apt, "_has_lists", lambda names: True)
    return ran


@pytest.mark.parametrize(
    "said, why",
    [
        ("Err:1 http://deb.debian.org bookworm InRelease\n  Could not resolve 'deb.debian.org'", "cannot be reached"),
        ("E: You don't have enough free space in /x", "no space left"),
        ("E: Unable to locate package tcc", "do not have it"),
    ],
)
def test_a_fault_of_apt_is_one_line_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, why: str
) -> None:
    ran = answer(monkeypatch, 100, said)

    with pytest.raises(IsolationError, match=why) as caught:
        apt.fetch_packages(["tcc"], tmp_path)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert "update" in ran[-1]  # the machine's own lists may be old: fresh ones were asked for


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(IsolationError, match="apt-get is not installed"):
        apt.fetch_packages(["tcc"], tmp_path)


def test_packages_come_in_the_order_of_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, 0, "")
    for name in ("b_1_all.deb", "a_2_amd64.deb", "a-more_3_all.deb"):
        (tmp_path / name).write_bytes(b"")

    assert [path.name for path in apt.fetch_packages(["b", "a"], tmp_path)] == ["b_1_all.deb", "a_2_amd64.deb"]


def test_the_stored_sum_is_that_of_the_binary(sources: Path, compiler: list[str]) -> None:
    built = probe_binary()
    stored, name = (built.path.parent / "sum").read_text().split()

    assert (stored, name) == (hashlib.sha256(built.path.read_bytes()).hexdigest(), built.compiler)
