"""Makes the projects of compose files on one host, each service once in a run: networks and volumes that its sandboxes
share, and the service as it is declared, which never starts.

In: a Runtime with a `project`, and the values of the run.  Out: the project's file.  Each thing is in the journal
before it is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path

from provisioner.connection.local import CommandTimeout, ConnectionLost
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import HostFiles
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in
from provisioner.runtimes.users_files import Project, fill


class Projects:
    """
    The projects of one run on one host.

    Args:
        files: the host's files and its connection.
        run: the journal of this run.
        folder: where the projects' files are written; the run deletes it.
    """

    def __init__(self, files: HostFiles, run: Run, folder: Path) -> None:
        self._files = files
        self._run = run
        self._folder = folder
        self._lock = threading.Lock()  # two services of one file make the same networks
        self._made: list[tuple[Engine, list[str], UndoEntry]] = []

    def make(self, runtime: Runtime, values: Mapping[str, object], environment: Mapping[str, str]) -> Path:
        """
        Make a project, and return its file.

        Args:
            runtime: the runtime of a service.
            values: the values of the run.
            environment: variables that the deleting commands need.

        Raises:
            IsolationError: the engine lacks the image, or the project cannot be made.
        """
        project = runtime.project
        assert project is not None
        text = fill(project.text, values)
        path = self._folder / f"compose-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
        where = f"{runtime.name}: project"
        with self._lock:
            engine = Engine(runtime, self._files.connection)
            self._refuse_absent(runtime, engine, project)
            self._files.write(path, text.encode(), 0o600)
            for template in project.delete:
                argv = render_argv(template, values, where)
                self._made.append((engine, argv, self._files.made_command(self._run, argv, environment)))
            done = engine.run(render_argv(project.make, {**values, "project": str(path)}, where), deadline("import"))
        if done.status == 0:
            return path
        errors = done.stderr.decode("utf-8", "backslashreplace")
        symptom = symptom_in(runtime, errors)
        cause, hint = (symptom.cause, symptom.mend) if symptom else (done.last_words, "")
        raise IsolationError(f"cannot start '{runtime.name}': {cause}", hint, errors)

    def _refuse_absent(self, runtime: Runtime, engine: Engine, project: Project) -> None:
        """Refuse an image that the engine lacks: the compose program would pull it."""
        assert runtime.command_line is not None
        argv = render_argv(runtime.command_line.stored, {"name": project.image}, f"{runtime.name}: stored")
        done = engine.run(argv, deadline("command"))
        if done.status == 0:
            return
        symptom = symptom_in(runtime, done.stderr.decode("utf-8", "backslashreplace"))
        cause, hint = (
            (symptom.cause, symptom.mend)
            if symptom
            else (f"it has no image '{project.image}'", f"{runtime.name} pull {project.image}")
        )
        raise IsolationError(f"cannot start '{runtime.name}': {cause}", hint)

    def forget(self) -> None:
        """Delete what the projects made; if the connection is lost or a runtime hangs, it stays in the journal."""
        for engine, argv, entry in reversed(self._made):
            with contextlib.suppress(ConnectionLost, CommandTimeout):
                if engine.delete(argv).status == 0:
                    self._run.gone(entry)
        self._made.clear()
