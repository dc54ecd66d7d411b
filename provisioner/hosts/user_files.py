"""Names the files of the user who starts a run that a sandbox must not open.

In: a home folder and a working folder on this machine.  Out: arguments of the probe's verb `facts`.  Nothing is opened
here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# keys, tokens, and the profiles of browsers: who reads them acts as the user
SECRETS = (
    *(".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".config/gcloud", ".config/gh", ".netrc"),
    *(".git-credentials", ".npmrc", ".pypirc", ".password-store", ".local/share/keyrings"),
    *(".mozilla", ".config/google-chrome", ".config/chromium"),
)
# what shells, SSH and git of the user read and run: bash(1), sshd(8), git-config(1)
STARTUP = (
    *(".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".gitconfig", ".config/git/config"),
    *(".ssh/authorized_keys", ".ssh/config", ".ssh/rc"),
)
# what git and CI run of a working tree: githooks(5)
WORK_TREE = (".git/config", ".git/hooks/*", ".github/workflows/*", ".gitlab-ci.yml", ".ci/run", "Jenkinsfile")
MOST = 48  # probe/system/system.h: user_files


def user_file_words(home: Path | None = None, folder: Path | None = None) -> list[str]:
    """
    Return the arguments that name the user's files.

    Args:
        home: the home folder; None for that of this process.
        folder: the working folder; None for that of this process.
    """
    try:
        found = [*_there(home or Path.home(), (*SECRETS, *STARTUP)), *_there(folder or Path.cwd(), WORK_TREE)]
    except (OSError, RuntimeError):  # no home, or a working folder that was deleted
        return []
    return [f"user={path}" for path in list(dict.fromkeys(found))[:MOST]]


def is_secret(path: str) -> bool:
    """Return whether a path is one of SECRETS."""
    return path.endswith(tuple(f"/{name}" for name in SECRETS))


def _there(top: Path, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        for path in sorted(top.glob(name))[:8]:
            if os.access(path, os.F_OK):
                yield str(path)
