"""provisioner.linux.kvm: a timed loop decides, not the device node."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.linux import kvm as module
from provisioner.linux.kvm import Accelerator, accelerator, judge


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setattr(module, "DEVICE", path)
    monkeypatch.setattr(module, "run_dir", lambda: tmp_path / "run")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return path


def test_a_fast_loop_is_kvm() -> None:
    assert judge({"seconds": 0.0012}) == Accelerator("kvm", "200000 loops took 1.2 ms in a guest")


def test_a_slow_loop_is_called_interpreted() -> None:
    found = judge({"seconds": 0.52})

    assert found.name == "tcg"
    assert found.why == "/dev/kvm opens, but 200000 loops took 0.52 s: interpreted, not accelerated"


@pytest.mark.parametrize("answer", [{"error": "Bad address"}, {}, {"seconds": "fast"}, {"seconds": None}])
def test_without_a_time_there_is_no_acceleration(answer: dict[str, object]) -> None:
    assert judge(answer).name == "tcg"


def test_the_variable_overrides(monkeypatch: pytest.MonkeyPatch, device: Path) -> None:
    monkeypatch.setenv(module.VARIABLE, "kvm")

    assert accelerator() == Accelerator("kvm", "PYTEST_ISOLATION_ACCELERATOR=kvm")


def test_an_unknown_override_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(module.VARIABLE, "xen")

    with pytest.raises(IsolationError, match="set it to kvm or tcg"):
        accelerator()


def test_a_missing_device_is_named(device: Path) -> None:
    device.unlink()

    assert accelerator() == Accelerator("tcg", f"{device} is missing")


def test_permission_denied_names_the_remedy(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)

    assert accelerator().why.endswith("permission denied: add yourself to group kvm")


def test_another_architecture_is_not_timed(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    assert "not timed on this architecture" in accelerator().why


def test_the_loop_is_timed_once_per_boot_and_device(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([{"seconds": 0.001}, {"seconds": 0.5}])
    monkeypatch.setattr(module, "run_loop", lambda: next(answers))

    assert (accelerator().name, accelerator().name) == ("kvm", "kvm")
    os.utime(device, (1, 1))
    assert accelerator().name == "tcg"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"key": 1, "name": "kvm"}', '{"name": "kvm", "why": ""}'])
def test_a_broken_cache_is_timed_again(device: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (device.parent / "run").mkdir()
    (device.parent / "run" / "accelerator.json").write_text(text)
    monkeypatch.setattr(module, "run_loop", lambda: {"seconds": 0.001})

    assert accelerator().name == "kvm"
    assert json.loads((device.parent / "run" / "accelerator.json").read_text())["name"] == "kvm"


def test_a_hanging_guest_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("python", 5)

    monkeypatch.setattr(subprocess, "run", hang)

    assert judge(module.run_loop()).name == "tcg"


def test_the_loop_jumps_back_to_its_store() -> None:
    code = module.guest_code(3)
    at = code.index(b"\x75")

    assert code[at + 2 + int.from_bytes(code[at + 1 : at + 2], signed=True) :].startswith(b"\x48\x89\x0b")
