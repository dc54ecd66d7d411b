"""What a machine lacks, or does otherwise than it promises, is one clear line; nothing is left running."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import wait_for
from residue import Home

from provisioner.linux.kvm import VARIABLE, accelerator
from provisioner.paths import HOME
from provisioner.probe.build import CHOICE

needs_docker = pytest.mark.skipif(shutil.which("docker") is None, reason="needs the docker client")
needs_qemu = pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="needs qemu-system-x86_64")
USAGE = 4


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home("self")
    try:
        yield made
        wait_for(lambda: not made.processes())
        assert made.left() == []
    finally:
        made.remove()


@pytest.fixture
def vm_home() -> Iterator[Home]:
    made = Home("qemu")
    try:
        yield made
        wait_for(lambda: not made.processes())
        assert made.left() == []
    finally:
        made.remove()


def run(home: Home, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={home.path}", *args]
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=home.path,
        env={**home.environment, **environment},
    )


def usage_error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a session ended with before it began."""
    assert done.returncode == USAGE, done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


def own_test(home: Home, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(
        home,
        f"--isolation={home.kind}",
        f"--isolation-runtime={home.target}",
        "test_it_answers.py",
        *args,
        **environment,
    )


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ("turbo-c", "cannot use compiler 'turbo-c'; PYTEST_ISOLATION_CC is one of "),
        ("musl-gcc", "cannot build the probe: musl-gcc failed"),
    ],
)
def test_no_compiler_is_one_line(home: Home, tmp_path: Path, chosen: str, told: str) -> None:
    done = own_test(home, **{HOME: str(home.path / "empty"), CHOICE: chosen, "PATH": str(tmp_path)})

    assert told in usage_error(done)


def test_no_compiler_at_all_names_what_to_install(home: Home, tmp_path: Path) -> None:
    done = own_test(home, **{HOME: str(home.path / "empty"), "PATH": str(tmp_path)})
    if done.returncode == 0:
        pytest.skip("this installation carries a probe, or a compiler that needs no PATH")

    assert "cannot build the probe: no C compiler; apt-get install musl-tools" in usage_error(done)


def test_a_home_that_cannot_be_made_is_one_line(home: Home) -> None:
    assert "set PYTEST_ISOLATION_HOME to another" in usage_error(own_test(home, **{HOME: "/proc/nowhere"}))


@needs_qemu
def test_a_kernel_that_is_not_there_is_one_line(vm_home: Home) -> None:
    line = usage_error(own_test(vm_home, "--isolation-kernel=/nonexistent"))

    assert "--isolation-kernel: '/nonexistent' does not exist" in line


@needs_qemu
def test_a_kernel_that_is_none_is_one_line(vm_home: Home) -> None:
    text = vm_home.path / "kernel.txt"
    text.write_text("not a kernel\n" * 100)

    assert "neither a bzImage nor an arm64 Image" in usage_error(own_test(vm_home, f"--isolation-kernel={text}"))


@needs_qemu
def test_a_kernel_that_does_not_boot_is_one_line(vm_home: Home) -> None:
    """It has the right first bytes and nothing behind them."""
    broken = vm_home.path / "vmlinuz"
    broken.write_bytes(bytes(0x202) + b"HdrS" + bytes(4096))
    broken.chmod(0o644)

    line = usage_error(own_test(vm_home, f"--isolation-kernel={broken}", "-o", "isolation_timeout_scale=0.05"))

    assert "cannot start 'qemu'" in line or "cannot talk to 'qemu'" in line


@needs_qemu
def test_an_unknown_accelerator_is_one_line(vm_home: Home) -> None:
    assert "set it to kvm or tcg" in usage_error(own_test(vm_home, **{VARIABLE: "turbo"}))


@needs_qemu
def test_header_tells_the_accelerator_and_why(vm_home: Home) -> None:
    """Where /dev/kvm opens and does not accelerate, it says tcg, and what was measured."""
    found = accelerator()

    done = own_test(vm_home)

    assert done.returncode == 0, done.stdout
    (line,) = re.findall(r"^isolation: host local: .*$", done.stdout, re.MULTILINE)
    why = re.sub(r"[\d.]+ (s|ms)\b", "TIME", found.why)
    assert f"{found.name}: {why}" in re.sub(r"[\d.]+ (s|ms)\b", "TIME", line)
    if found.name == "tcg":
        assert Path("/dev/kvm").exists() == ("is missing" not in line)


@needs_qemu
def test_header_tells_that_the_accelerator_was_chosen(vm_home: Home) -> None:
    assert f"tcg: {VARIABLE}=tcg" in own_test(vm_home, **{VARIABLE: "tcg"}).stdout


@needs_docker
def test_a_named_docker_without_a_daemon_is_one_line_with_the_mend(home: Home) -> None:
    args = ("--isolation=container", "--isolation-runtime=docker", "test_it_answers.py")

    line = usage_error(run(home, *args, DOCKER_HOST=f"unix://{home.path}/none.sock"))

    assert line.startswith("ERROR: cannot start 'docker': its daemon is not running; systemctl start docker")
    assert "provisioner daemon docker -- COMMAND" in line


@needs_docker
def test_a_docker_without_a_daemon_is_listed_with_the_mend(home: Home, tmp_path: Path) -> None:
    """Nothing else is on PATH but what stands in the folders of system programs."""
    (tmp_path / "docker").symlink_to(str(shutil.which("docker")))
    args = ("--isolation=container", "--isolation-require=self", "test_it_answers.py")

    done = run(home, *args, DOCKER_HOST=f"unix://{home.path}/none.sock", PATH=str(tmp_path))

    assert done.returncode == 0, done.stdout
    assert "its daemon is not running" in done.stdout
    assert "provisioner daemon docker -- COMMAND" in done.stdout


@pytest.mark.parametrize(
    ("runtime", "program", "told"),
    [
        ("podman", "echo 'storage: database graph driver mismatch' >&2; exit 125", "database graph driver mismatch"),
        ("unshare", "exit 7", "its probe ended"),
        ("unshare", "head -c 100000 /dev/zero; sleep 60", "64 KiB of other bytes"),
    ],
)
def test_a_runtime_that_fails_is_one_line(home: Home, runtime: str, program: str, told: str) -> None:
    """A stand-in for it, where the users that sandboxes run as reach it."""
    fake = home.path / "bin" / runtime
    fake.parent.mkdir(mode=0o755)
    fake.write_text(f"#!/bin/sh\n{program}\n")
    fake.chmod(0o755)
    args = ("--isolation=container", f"--isolation-runtime={runtime}", "test_it_answers.py")

    line = usage_error(run(home, *args, PATH=f"{fake.parent}:{os.environ['PATH']}"))

    assert f"'{runtime}'" in line
    assert told in line
