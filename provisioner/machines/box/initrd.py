"""Makes the initramfs of a box: one static program, and the modules that it loads before the root is mounted.

In: a box's root folder with one kernel's modules.  Out: a cpio archive.  The modules' dependencies come from the
kernel's modules.dep, so that every distribution's kernel works.
"""

from __future__ import annotations

import lzma
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.maker import temporary_folder
from provisioner.images.image import write_cpio
from provisioner.paths import cache_dir
from provisioner.probe.build import CHOICE
from provisioner.probe.compilers import compile_static

SOURCE = Path(__file__).with_name("init.c")
FOLDERS = ("dev", "modules", "root", "run")
CONSOLE = ("dev/console", stat.S_IFCHR | 0o600, 5, 1)


def make_initrd(rootfs: Path, modules: Sequence[str], out: Path) -> None:
    """
    Write the initramfs for a box's kernel.

    Args:
        rootfs: the box's root folder with one kernel's modules.
        modules: the names of the modules to load.
        out: the file to write, atomically.

    Raises:
        IsolationError: the kernel has no such module, or no compiler works on this host.
    """
    folder = modules_folder(rootfs)
    files = module_order(
        (folder / "modules.dep").read_text("utf-8"), modules, (folder / "modules.builtin").read_text("utf-8")
    )
    with temporary_folder(cache_dir()) as work:
        init = work / "init"
        compile_static("the box's init", init, [str(SOURCE)], os.environ.get(CHOICE, ""))
        entries = [(name, stat.S_IFDIR | 0o755, 0, 0, b"") for name in FOLDERS]
        entries += [(*CONSOLE, b""), ("init", stat.S_IFREG | 0o755, 0, 0, init.read_bytes())]
        for number, file in enumerate(files):
            entries.append((f"modules/{number:02d}.ko", stat.S_IFREG | 0o644, 0, 0, _read_module(folder / file)))
        write_cpio(entries, out)


def modules_folder(rootfs: Path) -> Path:
    """Return the folder of the kernel's modules; IsolationError if there is not exactly one kernel."""
    folders = [path.parent for path in (rootfs / "usr/lib/modules").glob("*/modules.dep")]
    if len(folders) != 1:
        raise IsolationError(f"cannot make an initramfs: '{rootfs}' has modules of {len(folders)} kernels, not of one")
    return folders[0]


def module_order(dependencies: str, wanted: Sequence[str], builtin: str = "") -> list[str]:
    """
    Return the module files in the order of loading: each after its dependencies.

    Args:
        dependencies: the text of modules.dep (modules.dep(5)): "FILE: DEPENDENCY…", the first to load is last.
        wanted: the names of the modules.
        builtin: the text of modules.builtin: these modules need no file.

    Raises:
        IsolationError: the kernel has no such module.
    """
    needs: dict[str, list[str]] = {}
    files: dict[str, str] = {}
    for line in dependencies.splitlines():
        file, _, rest = line.partition(":")
        needs[file] = rest.split()
        files[_module_name(file)] = file
    present = {_module_name(file) for file in builtin.splitlines()}
    order: list[str] = []
    for name in wanted:
        file = files.get(name, "")
        if not file and name not in present:
            raise IsolationError(f"cannot make an initramfs: the kernel has no module '{name}'")
        order += [path for path in [*reversed(needs.get(file, [])), file] if path and path not in order]
    return order


def _module_name(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _read_module(path: Path) -> bytes:
    """Return a module uncompressed; newer Debian releases compress them."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
