"""Synthetic weaknesses and look-alikes: files of the user who starts the sandbox."""

from __future__ import annotations

from sound.ipc import BASHRC, SSH
from weakness import Lookalike, put, weak

SEEN = ("inside", "system", "user_files")

WEAKNESSES = (
    weak("mnt.user_secrets", "the user's keys", put(*SEEN, to=[SSH]), "it reads /root/.ssh of the user"),
    weak("mnt.user_startup", "a start-up file", put(*SEEN, to=[BASHRC]), "it writes /root/.bashrc of the user"),
)

LOOKALIKES = (
    Lookalike("its own home", "container", put(*SEEN, to=[SSH | {"inode": 7}, BASHRC | {"device": [0, 55]}])),
    Lookalike("keys that do not open", "docker", put(*SEEN, to=[SSH | {"read": "EACCES"}])),
    Lookalike("a start-up file that is read-only", "podman", put(*SEEN, to=[BASHRC | {"write": "EROFS"}])),
)
