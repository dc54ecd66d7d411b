"""What an image holds before a sandbox is started from it, as frozen objects.

In: the probe's answer to `image`, for a root folder; a docker-archive, for an engine.  Out: `ImageSeen`.
"""

from __future__ import annotations

import io
import json
import stat
import tarfile
from typing import Literal

from pydantic import Field, ValidationError

from provisioner.facts.forms import FileType, Id, SomeText
from provisioner.observed import (
    MAX_ITEMS,
    MAX_TEXT,
    Fact,
    FactMap,
    FactsError,
    Items,
    Number,
    Observed,
    Text,
    check_json,
    first_fault,
    since_schema,
)

MOUNTED_OVER = ("/dev", "/proc", "/sys")
# OCI image-spec, layer.md: a file of this prefix hides the file of the layers below, or all files of the folder
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
ACCOUNTS = "/etc/passwd"
CAPABILITIES = "SCHILY.xattr.security.capability"  # of a layer's PAX header, where tar(1) keeps xattr(7)
TYPES: dict[bytes, FileType] = {
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


class PrivilegedFile(Observed):
    """A file that gives privileges to whoever runs it: set-user-ID, set-group-ID (inode(7)), file capabilities(7)."""

    path: SomeText  # of a long path its end
    user: bool
    group: bool
    capabilities: bool
    # the user id that is root where the capabilities count (version 3); None: the reader's own root
    capability_root: Fact[Id | None] = since_schema()


class Privileged(Observed):
    """The privileged files of a root: `count` among `entries` directory entries; `files` holds the first of them."""

    entries: Number
    count: Number
    files: Items[PrivilegedFile]


class ImageConfig(Observed):
    """
    What an image's configuration says (OCI image-spec, config.md).

    `user` is the configured user, "" for none; `roots` are the names of uid 0 in the image's /etc/passwd.
    """

    user: Text
    roots: Items[Text]


class ImageSeen(Observed):
    """
    An image on the host.

    `folders` holds the type of /dev, /proc and /sys in it, as `Path.type`.  `config` is None for a plain root folder.
    """

    folders: FactMap[Fact[FileType]]
    privileged: Fact[Privileged] = since_schema()
    config: Fact[ImageConfig | None] = since_schema()


class _Answer(Observed):
    schema_: Literal[1] = Field(alias="schema")
    nonce: Text
    image: ImageSeen


def parse_image(data: bytes, nonce: str) -> ImageSeen:
    """
    Turn the probe's answer to `image` into an ImageSeen.

    Raises:
        FactsError: the bytes are not such a document, or carry another nonce.
    """
    check_json(data, "image's facts")
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        raise FactsError(f"cannot read the image's facts: {first_fault(error)}") from None
    if answer.nonce != nonce:
        raise FactsError("cannot accept the image's facts: they carry another nonce than was given")
    return answer.image


def read_archive(data: bytes) -> ImageSeen:
    """
    Read the one image of a docker-archive, its layers applied in their order.

    Raises:
        FactsError: the bytes are not a docker-archive with one image.
    """
    members: dict[str, tarfile.TarInfo] = {}
    accounts = b""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            (manifest,) = json.loads(_member(archive, "manifest.json"))
            for layer in manifest["Layers"]:
                with tarfile.open(fileobj=io.BytesIO(_member(archive, layer))) as tar:
                    _lay_over(members, tar.getmembers())
                    latest = members.get(ACCOUNTS)
                    if latest is not None and latest.isfile() and latest in tar.getmembers():
                        accounts = _member(tar, latest.name)
            config = json.loads(_member(archive, manifest["Config"])).get("config") or {}
            user = str(config.get("User") or "")
    except (tarfile.TarError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise FactsError(f"cannot read the image's archive: {str(error).partition(chr(10))[0]}") from None
    types: dict[str, FileType] = {
        path: TYPES.get(members[path].type, "file") for path in MOUNTED_OVER if path in members
    }
    files = [file for path in sorted(members) if (file := _privileged(path, members[path]))]
    return ImageSeen(
        folders=FactMap({path: types.get(path, "absent") for path in MOUNTED_OVER}),
        privileged=Privileged(entries=len(members), count=len(files), files=files[:MAX_ITEMS]),
        config=ImageConfig(user=user[:MAX_TEXT], roots=_roots(accounts if ACCOUNTS in members else b"")),
    )


def _roots(accounts: bytes) -> list[str]:
    """Return the names of uid 0 in a passwd(5) file."""
    lines = [line.split(":") for line in accounts.decode("utf-8", "replace").splitlines()]
    return [words[0][:MAX_TEXT] for words in lines if len(words) > 2 and words[2].strip("0") == "" != words[2]][
        :MAX_ITEMS
    ]


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()


def _lay_over(members: dict[str, tarfile.TarInfo], layer: list[tarfile.TarInfo]) -> None:
    """Apply a layer: first remove all that it hides, then add its files."""
    paths = {"/" + member.name.removeprefix("./").strip("/"): member for member in layer}
    for path in list(paths):
        folder, _, name = path.rpartition("/")
        if not name.startswith(WHITEOUT):
            continue
        gone = f"{folder}/" if name == OPAQUE else f"{folder}/{name.removeprefix(WHITEOUT)}"
        for other in [one for one in members if one == gone or one.startswith(gone.rstrip("/") + "/")]:
            del members[other]
        del paths[path]
    members |= paths


def _privileged(path: str, member: tarfile.TarInfo) -> PrivilegedFile | None:
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE):
        return None
    user = bool(member.mode & stat.S_ISUID)
    group = member.mode & (stat.S_ISGID | stat.S_IXGRP) == stat.S_ISGID | stat.S_IXGRP
    capabilities = CAPABILITIES in member.pax_headers
    if not user and not group and not capabilities:
        return None
    root = _capability_root(member.pax_headers.get(CAPABILITIES, ""))
    return PrivilegedFile(path=path[:MAX_TEXT], user=user, group=group, capabilities=capabilities, capability_root=root)


def _capability_root(value: str) -> int | None:
    """Return the root id of a version 3 value: struct vfs_ns_cap_data of linux/capability.h, little endian."""
    data = value.encode("utf-8", "surrogateescape")
    return int.from_bytes(data[20:24], "little") if len(data) >= 24 and data[3] == 3 else None
