"""The plugin's options and ini keys, and what a run asks for once they are read.

In: pytest's parser and config.  Out: a frozen `RunOptions`, with the source of each setting.
Called by plugin.py.  Imports nothing heavy: it is loaded in every pytest run of its environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

KINDS = ("container", "vm")
LOCAL = "local"


@dataclass(frozen=True)
class RunOptions:
    """
    What the user asked for.

    Attributes:
        kinds: "container", "vm" or both, in the order given.
        runtimes: runtimes named, empty for every one that is there.
        hosts: where container runtimes run: "local", machines of lab.yaml, in the order given.
        machines: machines of lab.yaml that are sandboxes themselves.
        lab: the lab.yaml that machines are of, or None for the nearest.
        required: runtimes or kinds without which the run is an error.
        profile: "baseline@1" or "".
        report: where facts/, results.json and index.html go, or None.
        max_skip: the most cells that may be skipped, or None.
        suite: whether the bundled suite is added to the paths given.
        kernel: a guest kernel to boot, or None.
        image: a user's own container image, or "".
        waivers: the waivers' file, or None; expected: that of own checks' documented exceptions, or None.
        scale: what every deadline is multiplied with.
        sources: where each setting that is not the default came from.
        attach: sandboxes that somebody else runs, as "docker:NAME"; only_attached: no other kind was asked for.
    """

    kinds: tuple[str, ...]
    runtimes: tuple[str, ...]
    required: tuple[str, ...]
    profile: str
    report: Path | None
    max_skip: int | None
    suite: bool
    kernel: Path | None
    waivers: Path | None
    scale: float
    sources: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...] = (LOCAL,)
    machines: tuple[str, ...] = ()
    lab: Path | None = None
    attach: tuple[str, ...] = ()
    only_attached: bool = False
    expected: Path | None = None

    @property
    def needs_lab(self) -> bool:
        """Whether a machine of lab.yaml was named."""
        return bool(self.machines) or self.hosts != (LOCAL,)


def add_options(parser: pytest.Parser) -> None:
    """Register `--isolation` and its kin; every name starts with it."""
    group = parser.getgroup("isolation", "isolation: proves where the boundary of a container or a VM runs")
    add = group.addoption
    add("--isolation", metavar="KINDS", help="run in sandboxes of these kinds: container, vm, or container,vm")
    add(
        "--isolation-runtime",
        metavar="NAMES",
        help="only these runtimes (docker,podman+runc,qemu,self); default: all that are installed",
    )
    add(
        "--isolation-host",
        metavar="NAMES",
        default=LOCAL,
        help="where the container runtimes run: local, machines of lab.yaml (needs the extra lab); default: local",
    )
    add(
        "--isolation-machine",
        metavar="NAMES",
        default="",
        help="machines of lab.yaml to run in, as sandboxes of the kind vm (needs the extra lab)",
    )
    add("--isolation-lab", metavar="FILE", help="the lab.yaml; default: the nearest upwards, else the packaged one")
    add(
        "--isolation-attach",
        metavar="RUNTIME:NAME",
        action="append",
        default=[],
        help="look at a sandbox that runs already and leave it as it is: docker:NAME, podman:, runc:, lxc:, pid:N; "
        "repeatable; without --isolation these alone",
    )
    add(
        "--isolation-require",
        metavar="NAMES",
        default="",
        help="runtimes or kinds without which the run is a usage error (what is missing is else listed as skipped)",
    )
    add("--isolation-profile", metavar="NAME@N", help="walls that must hold: privileged@1, baseline@1, restricted@1")
    add("--isolation-report", metavar="DIR", help="write facts/, results.json and index.html there")
    add("--isolation-max-skip", metavar="N", type=int, help="fail when more than N cells were skipped")
    add("--isolation-suite", action="store_true", help="add the bundled suite to the paths given")
    add("--isolation-kernel", metavar="FILE", help="boot this kernel in micro VMs instead of the distribution's")
    add(
        "--isolation-expected",
        metavar="FILE",
        help="documented exceptions of own checks; default: isolation-expected.yaml in the root folder",
    )
    add("--isolation-waivers", metavar="FILE", help="accepted findings; default: isolation.yaml in the root folder")
    parser.addini("isolation_profile", "as --isolation-profile", default="")
    parser.addini("isolation_runtime", "as --isolation-runtime", default="")
    parser.addini("isolation_expected", "as --isolation-expected", default="")
    parser.addini("isolation_waivers", "as --isolation-waivers", default="")
    parser.addini("isolation_timeout_scale", "multiplies every deadline; for slow machines", default="1")


def read_options(config: pytest.Config) -> RunOptions | None:
    """
    Return what was asked for, or None without `--isolation` and `--isolation-attach`.

    Raises:
        pytest.UsageError: a value that cannot be meant, naming the nearest one that can.
    """
    given = config.getoption("isolation")
    attach = tuple(dict.fromkeys(config.getoption("isolation_attach")))
    if given is None and not attach:
        return None
    kinds = ("container",) if given is None else _names(given)
    if not kinds:
        raise pytest.UsageError(f"--isolation needs a kind: {', '.join(KINDS)}")
    for kind in kinds:
        _known(kind, KINDS, "--isolation", "kind")
    hosts = _names(config.getoption("isolation_host"))
    if not hosts:
        raise pytest.UsageError("--isolation-host needs a host: local, or a machine of lab.yaml")
    sources: list[tuple[str, str]] = []
    profile = _setting(config, "isolation_profile", sources)
    runtimes = _names(_setting(config, "isolation_runtime", sources))
    waivers = _setting(config, "isolation_waivers", sources)
    expected = _setting(config, "isolation_expected", sources)
    default = config.rootpath / "isolation.yaml"
    own = config.rootpath / "isolation-expected.yaml"
    most = config.getoption("isolation_max_skip")
    if most is not None and most < 0:
        raise pytest.UsageError(f"--isolation-max-skip must be 0 or more, not {most}")
    return RunOptions(
        kinds=kinds,
        runtimes=runtimes,
        required=_names(config.getoption("isolation_require")),
        profile=profile,
        report=_report(config.getoption("isolation_report")),
        max_skip=most,
        suite=config.getoption("isolation_suite"),
        kernel=Path(config.getoption("isolation_kernel")) if config.getoption("isolation_kernel") else None,
        waivers=config.rootpath / waivers if waivers else (default if default.exists() else None),
        scale=_scale(config.getini("isolation_timeout_scale")),
        sources=tuple(sources),
        hosts=hosts,
        machines=_names(config.getoption("isolation_machine")),
        lab=Path(config.getoption("isolation_lab")) if config.getoption("isolation_lab") else None,
        attach=attach,
        expected=config.rootpath / expected if expected else (own if own.exists() else None),
        only_attached=given is None,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _known(name: str, known: tuple[str, ...], option: str, what: str) -> None:
    if name in known:
        return
    from provisioner.files.suggest import suggest

    mend = suggest(name, known, f"there are: {', '.join(known)}")
    raise pytest.UsageError(f"{option}: unknown {what} '{name}'; {mend}")


def _setting(config: pytest.Config, name: str, sources: list[tuple[str, str]]) -> str:
    """Return an option's value, else the ini key's, and note which it was."""
    option: str | None = config.getoption(name)
    if option is not None:
        sources.append((name, "command line"))
        return option
    ini = str(config.getini(name))
    if ini:
        sources.append((name, config.inipath.name if config.inipath else "ini"))
    return ini


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 1000:
        raise pytest.UsageError(f"isolation_timeout_scale must be a number above 0, at most 1000, not '{text}'")
    return scale


def _report(text: str | None) -> Path | None:
    """Refuse a place that cannot take a report before anything runs."""
    if not text:
        return None
    path = Path(text).absolute()
    if path.exists() and not path.is_dir():
        raise pytest.UsageError(f"--isolation-report: '{text}' is there and is no folder")
    return path
