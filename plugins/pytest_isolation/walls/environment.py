"""Which names of environment variables a sandbox should not have; values are never observed.

In: names.  Out: names.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# environ(7), login(1), and what runtimes set: `container` is systemd's Container Interface
DOCUMENTED = frozenset(
    {
        *("PATH", "HOSTNAME", "HOME", "TERM", "container", "LANG", "PWD", "OLDPWD", "SHLVL", "_"),
        *("USER", "LOGNAME", "SHELL", "MAIL"),
    }
)
SECRET_WORDS = frozenset(
    {
        *("TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWORDS", "PASSWD", "PASSPHRASE", "PASS", "PWD"),
        *("KEY", "KEYS", "APIKEY", "CREDENTIAL", "CREDENTIALS"),
    }
)
PUBLIC = frozenset({"PWD", "OLDPWD", "GPG_KEY"})  # folders; Docker Official Images name a public key so


def passed_on(names: Iterable[str], host_names: Collection[str]) -> list[str]:
    """Return the names that no standard documents and that the host's own environment holds too."""
    return sorted({name for name in names if name and name not in DOCUMENTED and name in host_names})


def proxies(names: Iterable[str]) -> list[str]:
    """Return the names of proxy settings, in either case."""
    return sorted({name for name in names if name.lower().endswith("_proxy")})


def secrets(names: Iterable[str]) -> list[str]:
    """Return the names that contain a word for secrets, as a whole word."""
    return sorted({name for name in names if name not in PUBLIC and SECRET_WORDS & _words(name)})


def _words(name: str) -> set[str]:
    return set(re.split(r"[^A-Z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()))
