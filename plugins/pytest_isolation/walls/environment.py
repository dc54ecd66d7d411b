"""Which variables a sandbox should not have, by their names and the classes of their values; no value is observed.

In: names, and classes of values.  Out: names and texts.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from provisioner.facts.values import Value

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
        *("KEY", "KEYS", "APIKEY", "CREDENTIAL", "CREDENTIALS", "CREDS", "PAT", "DSN", "JWT"),
    }
)
SECRET_ENDS = ("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "ACCESSKEY")  # PGPASSWORD
# What describes a secret is none: TOKEN_FILE, KEY_PATH, PASSWORD_MIN_LENGTH.
DESCRIBES = frozenset(
    {
        *("FILE", "FILES", "PATH", "DIR", "TTL", "EXPIRY", "LENGTH", "COUNT", "LIMIT", "ALGORITHM", "TYPE", "FORMAT"),
        *("HEADER", "ENDPOINT", "VERSION", "SOCK", "TIMEOUT", "SIZE", "POLICY"),
    }
)
URLS = frozenset({"DATABASE_URL", "REDIS_URL", "MONGO_URL", "MONGODB_URI", "AMQP_URL", "BROKER_URL"})
PUBLIC = frozenset({"PWD", "OLDPWD", "GPG_KEY"})  # folders; Docker Official Images name a public key so
# Classes of values (probe/exposed/secret_shapes.c) that are no secret whatever their name is.  "changeme" is not among
# them: a default password that nobody changed is one that works.
HARMLESS = frozenset({"empty", "placeholder", "flag", "path", "url"})


def passed_on(names: Iterable[str], host_names: Collection[str]) -> list[str]:
    """Return the names that no standard documents and that the host's own environment holds too."""
    return sorted({name for name in names if name and name not in DOCUMENTED and name in host_names})


def proxies(names: Iterable[str]) -> list[str]:
    """Return the names of proxy settings, in either case."""
    return sorted({name for name in names if name.lower().endswith("_proxy")})


def secrets(names: Iterable[str], values: Iterable[Value] = ()) -> list[str]:
    """
    Return the names that contain a word for secrets, as a whole word, and those with a value of a secret's shape.

    Args:
        names: all names.
        values: the classes of their values, where they have one; a name whose value is no secret does not count.
    """
    shapes = {value.name: value.shape for value in values}
    return sorted({name for name in {*names, *shapes} if is_secret(name, shapes.get(name, ""))})


def is_secret(name: str, shape: str) -> bool:
    """Whether a value is a secret by its class, or by its name if the class is not that of a harmless value."""
    if shape in HARMLESS or proxies([name]):  # env.proxy reports those
        return False
    return bool(shape) or _names_secret(name)


def told(values: Iterable[Value]) -> list[str]:
    """Return the secrets among values that lie around, each by its name, class, length and place."""
    return sorted(
        {
            f"{value.name or 'a value'} in {value.place} ({value.shape or 'by its name'}, {value.length} characters)"
            for value in values
            if is_secret(value.name, value.shape)
        }
    )


def _names_secret(name: str) -> bool:
    words = _words(name)
    if name in PUBLIC or words[-1] in DESCRIBES or {"PUBLIC", "PUB"} & set(words):
        return False
    return name.upper() in URLS or any(word in SECRET_WORDS or word.endswith(SECRET_ENDS) for word in words)


def _words(name: str) -> list[str]:
    return re.split(r"[^A-Z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper())
