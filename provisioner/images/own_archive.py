"""Copies a user's image archive under a name of the run, so that loading it moves no tag of the user's.

In: a docker-archive or an oci-archive, which may be compressed with gzip, bzip2 or xz.
Out: the same image as a tar, named only by the given reference.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.files.atomic import writing_whole

MANIFEST = "manifest.json"  # of a docker-archive (moby image/spec/spec.md)
INDEX = "index.json"  # of an oci-archive (OCI image-spec, image-layout.md)
OLD_TAGS = "repositories"
MAX_JSON = 4 << 20


def rename_archive(source: Path, out: Path, ref: str) -> None:
    """
    Copy an image archive under another name.

    Args:
        source: the archive.
        out: the file to write; it is replaced whole.
        ref: the name with its tag: "localhost/isolation-app:1".

    Raises:
        IsolationError: the file is no archive with one image, or cannot be read or written.
    """
    try:
        with (
            tarfile.open(source) as tar,
            writing_whole(out, 0o600) as file,
            tarfile.open(fileobj=file, mode="w") as copy,
        ):
            if not _copy(tar, copy, ref):
                raise IsolationError(f"cannot load '{source}': it holds no {MANIFEST} and no {INDEX}")
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error).partition("\n")[0]
        raise IsolationError(
            f"cannot load '{source}': it is no archive of one image: {why}",
            "docker save --output FILE IMAGE writes one",
        ) from None
    except OSError as error:
        raise IsolationError(f"cannot load '{source}': {error.strerror or error}") from None


def _copy(tar: tarfile.TarFile, copy: tarfile.TarFile, ref: str) -> bool:
    """Copy every entry; return whether one names the image.  docker save writes both forms into one archive."""
    found = False
    for member in tar:
        if member.name == OLD_TAGS:
            continue
        rename = {MANIFEST: _renamed_manifest, INDEX: _renamed_index}.get(member.name)
        if rename is None:
            copy.addfile(member, tar.extractfile(member) if member.isfile() else None)
        else:
            found = True
            _replace(tar, copy, member, rename, ref)
    return found


def _replace(
    tar: tarfile.TarFile,
    copy: tarfile.TarFile,
    member: tarfile.TarInfo,
    rename: Callable[[Any, str], object],
    ref: str,
) -> None:
    held = tar.extractfile(member)
    data = held.read(MAX_JSON + 1) if held else b""
    if len(data) > MAX_JSON:
        raise ValueError(f"{member.name} is larger than {MAX_JSON >> 20} MiB")
    changed = json.dumps(rename(json.loads(data), ref)).encode()
    entry = tarfile.TarInfo(member.name)
    entry.mode, entry.size = member.mode, len(changed)
    copy.addfile(entry, io.BytesIO(changed))


def _renamed_manifest(document: Any, ref: str) -> object:
    (image,) = document
    return [{**image, "RepoTags": [ref]}]


def _renamed_index(document: Any, ref: str) -> object:
    (image,) = document["manifests"]
    names = {"org.opencontainers.image.ref.name": ref, "io.containerd.image.name": ref}
    return {**document, "manifests": [{**image, "annotations": {**(image.get("annotations") or {}), **names}}]}
