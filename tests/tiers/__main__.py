"""Runs a tier, or named environments of tox.ini, and reports.

Usage: python -m tiers [quick|push|all|release|ENVIRONMENT…] [-- ARGUMENT…]

Exit status: 0 if all passed; 1 if a lane failed, is flaky in `all` and `release`, or left this machine in another
state; 2 for an unknown name.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tiers import changes
from tiers.choose import Choice, choose
from tiers.commands import ROOT, commands, named_tests
from tiers.lanes import CONTENTS, LANES, STRICT, Lane
from tiers.report import exit_status, table, why
from tiers.run import BIN, TOX, Runner
from tiers.schedule import estimate


def main(argv: Sequence[str]) -> int:
    """Choose, run and report; returns the exit status."""
    names, arguments = _split(argv)
    tier = (names or ["push"])[0] if len(names) < 2 else ""
    if tier in CONTENTS:
        choice = choose(tier, changes.commits(), changes.changed(), named_tests(commands()) if tier == "push" else {})
    else:
        known = {lane.name: lane for lane in LANES}
        if unknown := [name for name in names if name not in known]:
            alone = "a tier is named alone; " if set(names) & set(CONTENTS) else ""
            print(
                f"cannot run {', '.join(unknown)}: {alone}tiers are {', '.join(CONTENTS)}; lanes are {', '.join(known)}"
            )
            return 2
        choice = Choice(tuple(known[name] for name in names), {})
    _tell(choice)
    runner = Runner(choice.lanes, arguments, tox=[*TOX, f"--installpkg={_wheel()}"])
    results = runner.run()
    print(f"\n{table(results)}")
    if flaky := why(results, "flaky"):
        print(f"\nfailed, and passed when run once more, alone:\n\n{flaky}")
    if choice.left_out:
        print(f"\n{_left_out(choice.left_out)}")
    if failed := why(results, "failed"):
        print(f"\n{failed}")
    if runner.changed:
        print("\n" + "\n".join(runner.changed))
    return exit_status(results, tier in STRICT, runner.changed)


def _wheel() -> Path:
    """Build what the environments install, once for all of them."""
    folder = ROOT / ".tox" / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([BIN / "uv", "build", "--quiet", "--wheel", "--out-dir", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names, and what stands after --."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end + 1 :]


def _tell(choice: Choice) -> None:
    for lane in choice.lanes:
        print(f"lane {lane.name}{f': {choice.why[lane.name]}' if lane.name in choice.why else ''}")
    print(f"by their known times they take {estimate(choice.lanes)} s", flush=True)


def _left_out(lanes: Sequence[Lane]) -> str:
    names = " ".join(lane.name for lane in lanes)
    return f"changed paths ask for more lanes than a push has time for; they are run by: script/test {names}"


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
