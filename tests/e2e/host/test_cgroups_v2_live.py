"""provisioner.linux.cgroups on cgroup v2, in a micro VM: this host may have v1 only."""

from __future__ import annotations

import json
import platform
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.images import image
from provisioner.images.kernel import guest_kernel
from provisioner.limits.limits import Limits

REPOSITORY = Path(__file__).parents[3]
PYTHON = Path("/usr/bin/python3").resolve()
LIBRARY = Path("/usr/lib") / PYTHON.name
MODULES = ("provisioner.limits.cgroup", "provisioner.linux.cgroups")
# the guest's Python has no pydantic, which the limits' modules import: it gets their settings as data
SETTINGS = f"""from provisioner.limits.cgroup import CgroupFile, CgroupSetting
SOUND = {Limits(memory=32 << 20, cpus=0.5, pids=8).cgroup_settings()!r}
TOO_LARGE = {Limits(pids=1 << 62).cgroup_settings()!r}
"""
SKIPPED = {"test", "__pycache__", "idlelib", "lib2to3", "tkinter", "ensurepip", "pydoc_data", "dist-packages"}

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not shutil.which("qemu-system-x86_64") or not LIBRARY.is_dir(),
    reason="needs x86_64, qemu-system-x86_64 and the distribution's python3",
)


def read_libraries(binary: Path) -> set[Path]:
    done = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, timeout=300)
    return {Path(word) for word in done.stdout.split() if word.startswith("/")}


def read_modules(*names: str) -> list[Path]:
    """Return the files of the project that an interpreter loads for these modules."""
    files = "*(module.__file__ for name, module in sys.modules.items() if name.startswith('provisioner'))"
    code = f"import sys, {', '.join(names)}; print({files})"
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True)
    return [Path(word) for word in done.stdout.split()]


def write_initramfs(out: Path) -> None:
    """Put the distribution's Python, the modules under test and the guest's script into one initramfs."""
    sources = [path for path in LIBRARY.rglob("*") if path.is_file() and not SKIPPED & set(path.parts)]
    shared = [PYTHON, *(path for path in sources if path.suffix == ".so")]
    libraries = set().union(*(read_libraries(path) for path in shared))
    files = {str(path): path for path in [*sources, *libraries]}
    files["/usr/bin/python3"] = PYTHON
    files["/guest.py"] = Path(__file__).parent / "guest" / "cgroups_v2.py"
    files["/app/settings.py"] = out.with_name("settings.py")
    files["/app/settings.py"].write_text(SETTINGS)
    files |= {f"/app/{path.relative_to(REPOSITORY)}": path for path in read_modules(*MODULES)}
    folders = {"/proc", "/sys", "/dev", *(str(folder) for name in files for folder in Path(name).parents)} - {"/"}
    entries = [(name[1:], stat.S_IFDIR | 0o755, 0, 0, b"") for name in sorted(folders, key=len)]
    entries.append(("dev/console", stat.S_IFCHR | 0o600, 5, 1, b""))
    entries += [(name[1:], stat.S_IFREG | 0o755, 0, 0, path.read_bytes()) for name, path in files.items()]
    entries.append(("TRAILER!!!", 0, 0, 0, b""))
    with out.open("wb") as file:
        for number, entry in enumerate(entries, start=1):
            file.write(image._cpio(number, *entry))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    try:
        kernel = guest_kernel()
    except IsolationError as error:
        pytest.skip(str(error))
    initramfs = tmp_path_factory.mktemp("vm") / "initramfs"
    write_initramfs(initramfs)
    append = "console=ttyS0 quiet panic=-1 rdinit=/usr/bin/python3 -- -S -B /guest.py"
    argv = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-nographic",
        "-no-reboot",
        "-accel",
        "tcg",
        "-M",
        "q35",
        "-cpu",
        "max",
    ]
    argv += ["-m", "512", "-smp", "2", "-kernel", str(kernel), "-initrd", str(initramfs), "-append", append]
    done = subprocess.run(
        [*argv, "-serial", "stdio"], stdin=subprocess.DEVNULL, capture_output=True, timeout=900, check=True
    )
    initramfs.unlink()
    text = done.stdout.decode(errors="replace")
    found = re.search(r"RESULT (\{.*\})", text)
    assert found, text[-3000:]
    return json.loads(found[1])


def test_limits_bite(result: Any) -> None:
    assert result["mode"] == "v2"
    assert result["files"] == ["33554432", "50000 100000", "8"]
    assert result["hog"] == -9
    assert result["forks"] == 7
    assert result["burn"] <= 13


def test_nothing_is_left_and_controllers_are_switched_off_again(result: Any) -> None:
    assert result["left"] == -9
    assert result["refused"].endswith("refuses '4611686018427387904': Invalid argument")
    assert result["after"] == result["before"] == []


def test_a_delegated_user_gets_them_and_another_is_told_how(result: Any) -> None:
    assert result["delegated"] == "/sys/fs/cgroup/user/isolation-0a1b2c3d/one"
    assert result["plain"].endswith("systemd-run --user --scope -p Delegate=yes")
