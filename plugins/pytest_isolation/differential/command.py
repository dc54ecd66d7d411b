"""`isolation diff`: shows its progress, and each difference in a few lines as soon as it is found.

In: the command line's words.  Out: lines, files, and whether anything differed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.files.maker import temporary_folder
from provisioner.paths import run_dir
from pytest_isolation.differential.diff import Difference, find_differences, opened_pair

MOST = 100_000


def compare(runtimes: Sequence[str], config: str, seed: int, keep: Path | None, say: Callable[[str], object]) -> bool:
    """
    Run random configurations in two runtimes.

    Args:
        runtimes: two names.
        config: "gen:N", the number of configurations.
        seed: of the first configuration; the others have the next seeds.
        keep: folder for the smallest config.json of each difference, or None.
        say: prints one line.

    Returns:
        Whether a check differs between the runtimes that does not differ in their stock configurations.

    Raises:
        IsolationError: the words are wrong, or a runtime does not work here.
    """
    count = _count(config)
    if len(set(runtimes)) != 2:
        raise IsolationError("cannot compare: two runtimes are needed", "isolation diff --runtime runc --runtime crun")
    differ, refused = 0, 0
    with temporary_folder(run_dir()) as folder:
        folder.chmod(0o755)
        with opened_pair(runtimes, folder) as pair:
            for number, (at, found) in enumerate(find_differences(pair, range(seed, seed + count)), 1):
                if sys.stderr.isatty():
                    print(f"\r{number} of {count} configurations", end="", file=sys.stderr, flush=True)
                for one in found:
                    differ, refused = differ + bool(one.check), refused + (not one.check)
                    _show(one, runtimes, say)
                    if keep is not None:
                        keep_config(one.config, keep, f"{at}-{one.check or 'refused'}.json")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    words = " and ".join(runtimes)
    say(f"{count} configurations in {words}: {differ} checks differ" + (f", {refused} refusal" if refused else ""))
    return bool(differ or refused)


def _count(config: str) -> int:
    match = re.fullmatch(r"gen:(\d{1,6})", config)
    if match is None or not 0 < int(match[1]) <= MOST:
        raise IsolationError(f"cannot read --config '{config}'", f"gen:N, N from 1 to {MOST}")
    return int(match[1])


def _show(found: Difference, runtimes: Sequence[str], say: Callable[[str], object]) -> None:
    say(f"{found.check or 'the sandbox itself'}: {found.drawn}")
    for runtime, result in zip(runtimes, found.results, strict=True):
        say(f"    {runtime}: {result}")


def keep_config(config: Mapping[str, Any], directory: Path, name: str) -> None:
    """
    Write a configuration whole or not at all.

    Args:
        config: the config.json.
        directory: the user's folder; it is made if it is missing.
        name: the file's name.

    Raises:
        IsolationError: this process is root, and another user can lead it elsewhere.
        OSError: it cannot be written.
    """
    with Folder.make(directory, None, shared=True) as folder:
        folder.write_whole(name, json.dumps(config, indent=1) + "\n")
