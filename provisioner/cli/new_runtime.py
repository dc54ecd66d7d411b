"""The command new-runtime: the files of a role of the user's own.

In: the command line.  Out: a folder, and what to do next.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder

Like = Annotated[
    str, typer.Option("--like", metavar="RUNTIME", help="copy the files of this runtime instead of commented ones")
]
Directory = Annotated[Path, typer.Option("--directory", metavar="DIR", help="the folder of your roles")]


def new_runtime(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the runtime's name")],
    like: Like = "",
    directory: Directory = Path("roles"),
) -> None:
    """Write the commented files of a role for a runtime of your own: DIR/NAME/runtime.yaml and others."""
    from provisioner.runtimes.skeleton import new_role

    texts = new_role(name, like)
    folder = directory / name
    if folder.exists():
        raise IsolationError(f"cannot make a role '{name}': '{folder}' is there", "choose another name")
    with Folder.make(folder, None, shared=True) as opened:
        for file, text in texts.items():
            opened.write_whole(file, text)
            typer.echo(str(folder / file))
    beside = any((directory.parent / file).exists() for file in ("isolation.yaml", "lab.yaml"))
    found = beside and directory.name == "roles"
    typer.echo(f"next: pytest --isolation-check-runtime={name}{'' if found else f' --isolation-roles={directory}'}")
