"""The command `provisioner doctor`.

In: its options.  Out: the report on standard output, one line for each unmet requirement on standard error, and the
exit status.
"""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    require: Annotated[
        list[str] | None,
        typer.Option(help="container, vm, lab or runtimes, separated by commas: exit 1 if one cannot run here"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
) -> None:
    """
    Show what this host can do, what does not work, and the command that repairs it.

    Each runtime is tried: a sandbox is created and deleted. Nothing is installed, and no network is used.

    Example: provisioner doctor --require container,vm
    """
    from rich.console import Console

    from provisioner.doctor.abilities import parse_required, unmet
    from provisioner.doctor.draw import draw
    from provisioner.doctor.examine import examine
    from provisioner.doctor.look import find_looks
    from provisioner.doctor.system import LocalSystem

    required = parse_required(require or [])
    looks = find_looks(required)
    with LocalSystem() as system:
        report = examine(looks, system)
    if as_json:
        typer.echo(report.model_dump_json(by_alias=True, indent=1))
    else:
        draw(report, Console())
    lines = unmet(report, required)
    for line in lines:
        typer.echo(f"provisioner: {line}", err=True)
    if lines:
        raise typer.Exit(1)
