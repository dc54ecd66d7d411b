"""Prepare hosts and machines for sandboxes, and delete what killed runs left.

In: the command line.  Out: exit status 0; 1 and one line on standard error for an IsolationError; with `daemon`, the
command's status.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli import box as box_cli
from provisioner.cli import lab as lab_cli
from provisioner.cli import machine as machine_cli
from provisioner.cli.daemon import daemon
from provisioner.cli.doctor import doctor
from provisioner.cli.new_runtime import new_runtime
from provisioner.faults.platforms import require_linux
from provisioner.version import add_version

ANYWHERE = ("schemas", "new-runtime")  # commands that need no Linux


def _before(command: str) -> None:
    if command not in ANYWHERE:
        require_linux(f"cannot run 'provisioner {command}'")


app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__.splitlines()[0], pretty_exceptions_enable=False
)
add_version(app, "provisioner", _before)
app.command()(doctor)
app.command()(new_runtime)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(daemon)
app.add_typer(box_cli.app, name="box")
lab_cli.add_to(app)
machine_cli.add_to(app)


@app.command()
def prune() -> None:
    """
    Delete what killed runs left on this host: sandboxes, processes, cgroups, namespaces, mounts, files.

    A damaged journal is set aside and named.  The exit status is 1 if something cannot be deleted.
    """
    from provisioner.journal import prune as journal

    lines = journal.prune()
    failures = [line for line in lines if line.startswith(journal.FAILED)]
    aside = [line for line in lines if line.startswith(journal.SET_ASIDE)]
    for line in lines:
        typer.echo(line, err=line in failures or line in aside)
    removed = len(lines) - len(failures) - len(aside)
    typer.echo(f"leftovers of killed runs removed: {removed}" if lines else "nothing was left")
    if failures:
        raise typer.Exit(1)


@app.command()
def build() -> None:
    """Build the probe for this host if it is not built yet, and print its path."""
    from provisioner.probe.build import probe_binary

    built = probe_binary()
    typer.echo(f"{built.path} ({built.compiler})")


@app.command()
def kernel() -> None:
    """Download the distribution's cloud kernel for micro VMs, without root, and print its path."""
    from provisioner.images.kernel import guest_kernel

    typer.echo(str(guest_kernel()))


@app.command()
def schemas(
    directory: Annotated[
        Path | None, typer.Argument(help="the folder to write to; default: the package's, in a checkout")
    ] = None,
) -> None:
    """Write the JSON Schemas of the probe's facts, runtime.yaml, role.yaml, lab.yaml and the doctor's report."""
    from provisioner.cli.schemas import MODELS
    from provisioner.files.schemas import schemas_folder, write_schemas
    from provisioner.paths import PACKAGE

    for path in write_schemas(MODELS, schemas_folder(directory, PACKAGE)):
        typer.echo(str(path))


@app.command()
def accelerator() -> None:
    """Time a loop in a tiny guest, and print whether KVM accelerates it, with the reason."""
    from provisioner.linux.kvm import accelerator as measure

    measured = measure()
    typer.echo(f"{measured.name}: {measured.why}")
