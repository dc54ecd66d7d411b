"""The kind `file`: files with content, mode and owner, written whole from text or a template.

In: paths and what roles want of them.  Out: changes of content, mode, owner and type, with a unified diff.
A file is put in place by rename(2): a reader sees the old or the new file, never a part.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from posixpath import basename, dirname
from shlex import join, quote
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from provisioner.converge.kinds import Aspect, Change, Fault, Step
from provisioner.converge.templates import Source
from provisioner.errors import IsolationError

NAME = "file"
KEY = "files"
RANK = 30
SHOWN = 64 << 10  # bytes: a longer file is compared only by its hash

Path = Annotated[
    str, Field(pattern=r"^(/[A-Za-z0-9_@%+:,=~-][A-Za-z0-9._@%+:,=~-]*|/\.[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")
]
Account = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]*$")]


class FileItem(BaseModel):
    """A file in role.yaml; `template` names a file in the role's templates/, `content` is a template itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    template: str | None = None
    content: str | None = None
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3,4}$")] = "0644"
    owner: Account = "root"
    group: Account = "root"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template is None) == (self.content is None):
            raise ValueError(f"'{self.path}' needs either template or content")
        return self


FIELD = list[FileItem]


@dataclass(frozen=True)
class WantedFile:
    """The wanted state of a file."""

    content: bytes = field(repr=False)
    mode: int
    owner: str
    group: str

    @property
    def sha256(self) -> str:
        """The hash of its content, in hex."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class PresentFile:
    """The present state of a file; `content` only of a short regular file that differs."""

    type: int  # as stat.S_IFMT gives it
    mode: int
    owner: str
    group: str
    sha256: str | None = None
    content: bytes | None = field(default=None, repr=False)


def collect_wanted(sources: Sequence[Source]) -> dict[str, WantedFile]:
    wanted: dict[str, WantedFile] = {}
    owners: dict[str, str] = {}
    for source in sources:
        for item in source.items:
            text = (
                source.render_file(item.template)
                if item.template is not None
                else source.render(item.content, f"content of {item.path}")
            )
            one = WantedFile(text.encode(), int(item.mode, 8), item.owner, item.group)
            if wanted.setdefault(item.path, one) != one:
                raise IsolationError(
                    f"cannot write file '{item.path}': the roles '{owners[item.path]}' and '{source.role}'"
                    " want it different",
                    hint="leave it to one of them",
                )
            owners.setdefault(item.path, source.role)
    return wanted


# Only regular files are read, because a FIFO never ends.  The shell's own tests cost no process.
READ = """\
stat -c 'stat %f %U %G %n' -- {paths} 2>/dev/null
set --
for path in {paths}; do [ -h "$path" ] || [ ! -f "$path" ] || set -- "$@" "$path"; done
[ $# -eq 0 ] || sums=$(sha256sum -- "$@")
[ $# -eq 0 ] || while read -r hash path; do
  echo "sha256 $hash $path"
  case "$hash $path" in
    {known}) ;;
    *) echo "base64 $(head -c {bytes} -- "$path" | base64 -w0) $path" ;;
  esac
done <<END
$sums
END"""


def render_read(wanted: Mapping[str, WantedFile]) -> str:
    if not wanted:
        return ""
    known = " | ".join(quote(f"{one.sha256} {path}") for path, one in wanted.items())
    return READ.format(paths=join(wanted), known=known, bytes=SHOWN + 1)


def parse_present(text: str) -> dict[str, PresentFile]:
    found: dict[str, list[str]] = {}
    hashes: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    for line in text.splitlines():
        word, *rest = line.split(" ")
        if word == "stat" and len(rest) == 4:
            found[rest[3]] = rest[:3]
        elif word == "sha256" and len(rest) == 2 and len(rest[0]) == 64:
            hashes[rest[1]] = rest[0]
        elif word == "base64" and len(rest) == 2:
            contents[rest[1]] = base64.b64decode(rest[0], validate=True)
        else:
            raise ValueError(f"no line of this script: '{line[:80]}'")
    return {
        path: PresentFile(
            stat.S_IFMT(int(raw, 16)),
            stat.S_IMODE(int(raw, 16)),
            owner,
            group,
            hashes.get(path),
            contents.get(path) if len(contents.get(path, b"")) <= SHOWN else None,
        )
        for path, (raw, owner, group) in found.items()
    }


def diff_state(
    wanted: Mapping[str, WantedFile], present: Mapping[str, PresentFile], earlier: Sequence[Change]
) -> list[Change]:
    changes = [_diff_file(path, one, present.get(path)) for path, one in wanted.items()]
    return [change for change in changes if change.aspects]


def _diff_file(path: str, wanted: WantedFile, present: PresentFile | None) -> Change:
    owner = f"{wanted.owner}:{wanted.group}"
    if present is None:
        after = f"{_octal(wanted.mode)} {owner}"
        return Change(NAME, path, (Aspect("content", "absent", after),), _unified(path, b"", wanted.content))
    if present.type == stat.S_IFDIR:
        raise IsolationError(f"cannot write file '{path}': a folder is there", hint="move the folder away")
    if present.type != stat.S_IFREG:
        after = f"{_octal(wanted.mode)} {owner}"
        before = "a symbolic link" if present.type == stat.S_IFLNK else "no regular file"
        return Change(NAME, path, (Aspect("content", before, after),), _unified(path, b"", wanted.content))
    aspects = []
    difference: tuple[str, ...] = ()
    if present.sha256 != wanted.sha256:
        aspects.append(Aspect("content", f"sha256 {str(present.sha256)[:12]}", wanted.sha256[:12]))
        difference = _unified(path, present.content, wanted.content)
    if present.mode != wanted.mode:
        aspects.append(Aspect("mode", _octal(present.mode), _octal(wanted.mode)))
    if f"{present.owner}:{present.group}" != owner:
        aspects.append(Aspect("owner", f"{present.owner}:{present.group}", owner))
    return Change(NAME, path, tuple(aspects), difference)


def _unified(path: str, before: bytes | None, after: bytes) -> tuple[str, ...]:
    """Return a unified diff; empty for a file that is not text or too long to show."""
    try:
        if before is None or len(after) > SHOWN:
            return ()
        old, new = before.decode().splitlines(), after.decode().splitlines()
    except UnicodeDecodeError:
        return ()
    return tuple(difflib.unified_diff(old, new, f"{path} (present)", f"{path} (role)", lineterm="", n=2))


def make_steps(wanted: Mapping[str, WantedFile], changes: Sequence[Change]) -> list[Step]:
    steps = []
    for change in changes:
        one = wanted[change.name]
        script = _write(change.name, one) if change.changes("content") else _adjust(change.name, one)
        steps.append(Step(f"write file '{change.name}'", script, NAME, RANK))
    return steps


# Refuses a path on which another user can swap the file, or a folder, for a link before chown(1) and chmod(1).  Each
# folder, as the path is written and as the kernel resolves it, must belong to root and be closed to other writers.
CHECK_FOLDER = """\
real=$(cd -P -- {folder} && pwd -P)
set -- {above}
while [ -n "$real" ]; do set -- "$@" "$real"; real=${{real%/*}}; done
me=$(id -u)
stat -L -c '%u %g %A %n' -- "$@" | while read -r uid gid mode path; do
  other=
  case $uid in 0 | "$me") ;; *) other=1 ;; esac
  case $mode in *[tT]) ;; d???????w?) other=1 ;; d????w*) [ "$gid" = 0 ] || other=1 ;; esac
  [ -z "$other" ] || {{ echo "not only root can write folder $path" >&2; exit 1; }}
done"""

# set -C (noclobber) opens with O_EXCL, which follows no link; sync because a VM may be killed right after
WRITE = """\
mkdir -p -- {folder}
{check}
rm -f -- {fresh}
(umask 077; set -C; printf %s {content} | base64 -d >{fresh})
chown -- {owner} {fresh}
chmod -- {mode} {fresh}
sync -- {fresh}
mv -fT -- {fresh} {path}"""


def _write(path: str, one: WantedFile) -> str:
    return WRITE.format(
        folder=quote(dirname(path)),
        check=_check_folder(path),
        fresh=quote(f"{dirname(path).rstrip('/')}/.{basename(path)}.isolation-new"),
        path=quote(path),
        content=quote(base64.b64encode(one.content).decode()),
        owner=quote(f"{one.owner}:{one.group}"),
        mode=_octal(one.mode),
    )


def _adjust(path: str, one: WantedFile) -> str:
    """Return sh that sets owner and mode; the owner first, because chown(2) clears the set-user-ID bits."""
    owner = quote(f"{one.owner}:{one.group}")
    return f"{_check_folder(path)}\nchown -h -- {owner} {quote(path)}\nchmod -- {_octal(one.mode)} {quote(path)}"


def _check_folder(path: str) -> str:
    above = [str(folder) for folder in PurePosixPath(path).parents]
    return CHECK_FOLDER.format(folder=quote(above[0]), above=join(above))


def _octal(mode: int) -> str:
    return f"{mode:04o}"


def explain_failure(log: str) -> Fault | None:
    match = re.search(r"chown: invalid (user|group): '(.+?)'", log)
    if match:
        return Fault(f"give a file to '{match[2]}'", f"no such {match[1]}", "name a package that makes the account")
    if match := re.search(r"not only root can write folder (.+)", log):
        return Fault("write a file", f"not only root can write '{match[1]}'", "chown it to root and chmod go-w")
    if "No space left on device" in log:
        return Fault("write a file", "there is no space left", "free some space there")
    return None
