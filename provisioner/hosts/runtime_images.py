"""Makes and imports the images of runtimes on one host, each once in a run, and the values of their templates.

In: the host's files, the journal, an ImageMaker.  Out: the values that the templates of a runtime.yaml may name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from provisioner.connection.local import CommandTimeout, ConnectionLost
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.image import ImageSeen
from provisioner.hosts.files_local import HostFiles
from provisioner.hosts.image_store import ImageMaker
from provisioner.hosts.projects import Projects
from provisioner.images.image import IMAGES, Image
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.paths import PASSABLE
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in

ImageName = Literal["probe", "shell", "debian"]


class RuntimeImages:
    """
    The images of runtimes on one host.

    Args:
        files: the host's files and its connection.
        run: the journal of this run.
        maker: makes the images.
        probe_path: the probe on the host.
        folder: the run's folder on the host.
        host_values: returns the values of `host.*` in runtime.yaml.
    """

    def __init__(
        self,
        files: HostFiles,
        run: Run,
        maker: ImageMaker,
        probe_path: Path,
        folder: Path,
        host_values: Callable[[], Mapping[str, object]],
    ) -> None:
        self._files = files
        self._run = run
        self._maker = maker
        self._probe_path = probe_path
        self._host_values = host_values
        self._projects = Projects(files, run, folder)
        self._lock = threading.Lock()
        self._prepared: dict[str, tuple[threading.Lock, dict[str, object]]] = {}
        self._seen: dict[str, ImageSeen | IsolationError | None] = {}
        self._forget: list[tuple[Engine, list[str], UndoEntry]] = []

    def values(self, runtime: Runtime, image: ImageName | Image = "probe") -> dict[str, object]:
        """
        Return the values for a runtime's templates; its image is made and imported once in this run.

        Args:
            runtime: the runtime.
            image: "probe" (the probe alone), "shell" (with a BusyBox), "debian" (with its userland), or an Image.

        Raises:
            IsolationError: the image cannot be made or imported.
        """
        asked = image if isinstance(image, Image) else IMAGES[image]
        with self._lock:
            lock, values = self._prepared.setdefault(_key(runtime, asked), (threading.Lock(), {}))
        with lock:
            if not values:
                values.update(self._prepare(runtime, asked))
        return dict(values)

    def image(self, runtime: Runtime, image: ImageName | Image = "probe") -> ImageSeen | None:
        """
        Return the facts about an image of this runtime, read before its first start; None if there is no image.

        Args:
            runtime: the runtime.
            image: as in `values`.

        Raises:
            IsolationError: the image cannot be made, imported or read.
        """
        asked = image if isinstance(image, Image) else IMAGES[image]
        self.values(runtime, asked)
        seen = self._seen[_key(runtime, asked)]
        if isinstance(seen, IsolationError):
            raise seen
        return seen

    def _prepare(self, runtime: Runtime, image: Image) -> dict[str, object]:
        state = self._files.state / runtime.name
        if runtime.image == "archive" or runtime.prepare:
            self._files.make_folder(state, PASSABLE)
        values: dict[str, object] = {
            "run": self._run.id,
            "probe": str(self._probe_path),
            "state": str(state),
            "run_dir": str(self._files.run / runtime.name),
            "image": f"localhost/isolation-{_image_name(runtime, image)}:{self._run.id}",
            "host": self._host_values(),
        }
        for name, argv in runtime.define.items():
            values[name] = render_argv(argv, values, f"{runtime.name}: define.{name}")
        Engine(runtime, self._files.connection).refuse_other(values)
        made, self._seen[_key(runtime, image)] = self._maker.make(runtime, image, str(values["image"]))
        values |= made
        if runtime.import_:
            self._import(runtime, values)
        if runtime.project:
            values["project"] = str(self._projects.make(runtime, values, remembered(self._files, runtime)))
        return values

    def _import(self, runtime: Runtime, values: Mapping[str, object]) -> None:
        assert runtime.import_ is not None
        forget = render_argv(runtime.forget or [], values, f"{runtime.name}: forget")
        entry = self._files.made_command(self._run, forget, remembered(self._files, runtime)) if forget else None
        argv = render_argv(runtime.import_, values, f"{runtime.name}: import")
        engine = Engine(runtime, self._files.connection)
        done = engine.run(argv, deadline("import"))
        if done.status == 0:
            if entry is not None:
                self._forget.append((engine, forget, entry))
            return
        if entry is not None:
            self._run.gone(entry)  # nothing was imported
        errors = done.stderr.decode("utf-8", "backslashreplace")
        symptom = symptom_in(runtime, errors)
        cause, hint = (symptom.cause, symptom.mend) if symptom else (done.last_words, "")
        raise IsolationError(f"cannot start '{runtime.name}': {cause}", hint, errors)

    def forget(self) -> None:
        """Delete projects and imported images; if a connection is lost or a runtime hangs, they stay in the journal."""
        self._projects.forget()
        for engine, argv, entry in self._forget:
            with contextlib.suppress(ConnectionLost, CommandTimeout):
                if engine.delete(argv).status == 0:
                    self._run.gone(entry)
        self._forget.clear()

    def close(self) -> None:
        """Delete what was made for the images."""
        self._maker.close()


def _image_name(runtime: Runtime, image: Image) -> str:
    """Return the image's name in an engine; one for each archive of a user's."""
    own = hashlib.sha256(runtime.own_archive.encode()).hexdigest()[:12]
    return f"archive-{own}" if runtime.own_archive else image.name


def remembered(files: HostFiles, runtime: Runtime) -> dict[str, str]:
    """Return the variables by which a client finds its daemon, for the journal's commands."""
    names = runtime.remember if files.remembers else []
    return {name: os.environ[name] for name in names if name in os.environ}


def _key(runtime: Runtime, image: Image) -> str:
    """Return the same text for runtimes that share an image: one of a user's command line has no image of ours."""
    project = " ".join(runtime.project.make) if runtime.project else ""
    return "/".join([runtime.name, str(runtime.conditions), runtime.image, runtime.own_archive, project, image.name])
