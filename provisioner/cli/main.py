"""The command `provisioner`: what prepares a host for sandboxes, and clears away what a killed run left.

In: the command line.  Out: exit status 0; 1 and one line on standard error for an IsolationError; with `daemon`, the
command's own status.  Calls the modules that do the work; holds no logic of theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli import box as box_cli
from provisioner.cli import lab as lab_cli
from provisioner.cli import machine as machine_cli
from provisioner.cli.doctor import doctor
from provisioner.errors import IsolationError
from provisioner.version import add_version

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help=__doc__.splitlines()[0], pretty_exceptions_enable=False
)
add_version(app, "provisioner")
app.command()(doctor)
app.add_typer(box_cli.app, name="box")
lab_cli.add_to(app)
machine_cli.add_to(app)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def daemon(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="the runtime whose daemon is started, such as docker")],
) -> None:
    """
    Run COMMAND while the runtime's daemon runs in a data root and a network namespace of its own.

    The host's own daemon, network and images are not touched, and nothing is left behind.

    Example: provisioner daemon docker -- pytest --isolation=container --isolation-runtime=docker
    """
    from provisioner.hosts.daemon import Daemon, daemon_root, running
    from provisioner.journal.run import Run, prune
    from provisioner.runtimes.load import load_runtime
    from provisioner.runtimes.render import render_argv, render_value

    command = [part for at, part in enumerate(context.args) if (at, part) != (0, "--")]
    if not command:
        raise IsolationError(
            f"cannot run the daemon of '{name}': no command is given", "provisioner daemon NAME -- COMMAND"
        )
    runtime = load_runtime(name)
    made = runtime.daemon
    if made is None:
        raise IsolationError(f"cannot run the daemon of '{name}': it has none", "leave out `provisioner daemon`")
    prune()
    with Run.start() as run:
        root = daemon_root(run, runtime.name)
        values = {"dir": str(root)}
        described = Daemon(
            name=runtime.name,
            binary=made.binary,
            argv=tuple(render_argv(made.argv, values, f"{name}: daemon.argv")),
            env={key: str(render_value(text, values, f"{name}: daemon.env")) for key, text in made.env.items()},
            ready=tuple(render_argv(made.ready, values, f"{name}: daemon.ready")),
            timeout=made.timeout,
            root=root,
            files=made.files,
            cgroups=tuple(made.cgroups),
        )
        with running(described, run) as env:
            status = _run(command, {**os.environ, **env})
    raise typer.Exit(status)


def _run(command: list[str], env: dict[str, str]) -> int:
    """Run a command to its end; Ctrl-C reaches it too, and we wait for it before the daemon is stopped."""
    try:
        process = subprocess.Popen(command, env=env)
    except OSError as error:
        raise IsolationError(f"cannot run '{command[0]}': {error.strerror}") from None
    while True:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            continue
        return status if status >= 0 else 128 - status


@app.command()
def prune() -> None:
    """Take away what killed runs left on this host: sandboxes, cgroups, namespaces, mounts, files."""
    from provisioner.journal import run as journal

    said = journal.prune()
    failures = [line for line in said if line.startswith("cannot ")]
    for line in said:
        typer.echo(line, err=line in failures)
    typer.echo(f"{len(said) - len(failures)} things of dead runs were left" if said else "nothing was left")
    if failures:
        raise typer.Exit(1)


@app.command(hidden=True)
def undo(
    words: Annotated[list[str], typer.Argument(metavar="VERB ARG...", help="after '--': the verb and its arguments")],
) -> None:
    """Undo one entry of a journal; `provisioner prune` calls it."""
    from provisioner.cli.undo import run_verb

    raise typer.Exit(run_verb(words))


@app.command()
def build() -> None:
    """Build the probe for this machine, or find the one that was built, and print its path."""
    from provisioner.probe.build import probe_binary

    built = probe_binary()
    typer.echo(f"{built.path} ({built.compiler})")


@app.command()
def kernel() -> None:
    """Fetch the distribution's cloud kernel for micro VMs, without root, and print its path."""
    from provisioner.images.kernel import guest_kernel

    typer.echo(str(guest_kernel()))


@app.command()
def schemas(
    directory: Annotated[Path | None, typer.Argument(help="where to write; the package's own folder if none")] = None,
) -> None:
    """Write the JSON Schemas of the probe's facts and of runtime.yaml."""
    from provisioner.cli.schemas import MODELS
    from provisioner.files.schemas import write_schemas
    from provisioner.paths import PACKAGE

    for path in write_schemas(MODELS, directory or PACKAGE):
        typer.echo(str(path))


@app.command()
def accelerator() -> None:
    """Time a loop in a tiny guest, and say whether KVM accelerates here, and why not."""
    from provisioner.linux.kvm import accelerator as measure

    found = measure()
    typer.echo(f"{found.name}: {found.why}")


def main() -> None:
    """Run the command line; a fault of ours is one line and exit status 1."""
    try:
        app()
    except IsolationError as error:
        sys.stderr.write(f"provisioner: {error}\n")
        raise SystemExit(1) from None
