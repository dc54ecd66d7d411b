"""Makes the initramfs of a box: one static program, and the modules that it loads before there is a root file system.

In: a box's tree, with its kernel's modules.  Out: a cpio archive.  Called by box.py.  What depends on what is read from
the tree's own modules.dep, so that any distribution's kernel is served.
"""

from __future__ import annotations

import lzma
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.images.image import write_cpio
from provisioner.paths import cache_dir
from provisioner.probe.build import CHOICE, compile_static

SOURCE = Path(__file__).with_name("init.c")
FOLDERS = ("dev", "modules", "root", "run")
CONSOLE = ("dev/console", stat.S_IFCHR | 0o600, 5, 1)


def make_initrd(tree: Path, modules: Sequence[str], out: Path) -> None:
    """
    Write the initramfs for a box's kernel.

    Args:
        tree: the box's root folder, which has one kernel's modules.
        modules: the names of those to load.
        out: the file to write, atomically.

    Raises:
        IsolationError: there is no such module, or no compiler works here.
    """
    folder = modules_folder(tree)
    files = module_order((folder / "modules.dep").read_text(), modules, (folder / "modules.builtin").read_text())
    with tempfile.TemporaryDirectory(prefix=".init-", dir=cache_dir()) as name:
        init = Path(name) / "init"
        compile_static("the box's init", init, [str(SOURCE)], os.environ.get(CHOICE, ""))
        entries = [(name, stat.S_IFDIR | 0o755, 0, 0, b"") for name in FOLDERS]
        entries += [(*CONSOLE, b""), ("init", stat.S_IFREG | 0o755, 0, 0, init.read_bytes())]
        for number, file in enumerate(files):
            entries.append((f"modules/{number:02d}.ko", stat.S_IFREG | 0o644, 0, 0, _read_module(folder / file)))
        write_cpio(entries, out)


def modules_folder(tree: Path) -> Path:
    """Return the folder of the one kernel's modules in a tree."""
    found = [path.parent for path in (tree / "usr/lib/modules").glob("*/modules.dep")]
    if len(found) != 1:
        raise IsolationError(f"cannot make an initramfs: '{tree}' has modules of {len(found)} kernels, not of one")
    return found[0]


def module_order(dependencies: str, wanted: Sequence[str], builtin: str = "") -> list[str]:
    """
    Return the files to load, each after all that it depends on.

    Args:
        dependencies: the text of modules.dep (depmod(8)): "FILE: FILE…", the one that is loaded first standing last.
        wanted: names of modules.
        builtin: the text of modules.builtin: these are in the kernel itself.

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
        order += [one for one in [*reversed(needs.get(file, [])), file] if one and one not in order]
    return order


def _module_name(file: str) -> str:
    return file.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _read_module(path: Path) -> bytes:
    """Return a module as the kernel takes it; newer Debian releases compress them."""
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
