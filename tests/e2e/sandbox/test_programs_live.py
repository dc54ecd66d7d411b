"""
An ordinary program runs in the target, linked statically and dynamically against glibc.

A processor that a guest's kernel or libc cannot use shows here: under `-cpu max` with five-level page tables a static
program of glibc aborted.
"""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.images.image import Image, Item
from pytest_isolation.live.further import FurtherSandbox

SOURCE = """
#include <stdio.h>
#include <unistd.h>
int main(void) {
	char exe[64] = "";
	readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	printf("%d %s\\n", 6 * 7, exe);
	return 0;
}
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Item, ...]:
    """Two programs, and the libraries of the dynamic one at their paths on this host."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc: apt-get install gcc libc6-dev")
    folder = tmp_path_factory.mktemp("programs")
    (folder / "main.c").write_text(SOURCE)
    for name, options in (("static", ["-static"]), ("dynamic", [])):
        done = subprocess.run(["gcc", *options, "-o", folder / name, folder / "main.c"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs glibc's libraries to link: {done.stderr.splitlines()[-1]}")
    listed = subprocess.run(["ldd", folder / "dynamic"], capture_output=True, text=True, check=True).stdout
    paths = [Path(path) for path in re.findall(r"(/\S+) \(0x", listed)]
    parents = {str(parent)[1:] for path in paths for parent in path.parents if str(parent) != "/"}
    return (
        *(Item(name, stat.S_IFDIR | 0o755) for name in sorted(parents)),
        *(Item(str(path)[1:], stat.S_IFREG | 0o755, path.read_bytes()) for path in paths),
        *(Item(name, stat.S_IFREG | 0o755, (folder / name).read_bytes()) for name in ("static", "dynamic")),
    )


@pytest.mark.parametrize("name", ["static", "dynamic"])
def test_an_ordinary_program_of_glibc_runs(
    sandbox_factory: Callable[..., FurtherSandbox], programs: tuple[Item, ...], name: str
) -> None:
    done = sandbox_factory(image=Image(items=programs)).run(f"/{name}")

    assert (done.returncode, done.stdout) == (0, f"42 /{name}\n"), done
