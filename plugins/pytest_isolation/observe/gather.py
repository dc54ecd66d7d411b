"""Observes all targets of a session side by side, each once.

In: targets, and the cache of their sandboxes.
Out: `Gathered`: `Measurements` of each target that was observed, the failures, and the stock sandboxes of runtimes
that were attached to.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from provisioner.errors import IsolationError
from provisioner.faults.explain import explained
from provisioner.progress import step
from provisioner.sandboxes.attached import Attached, AttachTarget
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.untouched import refuse_changed
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.stock import Stock, observe_stock
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.targets.select import instead_of, other_option
from pytest_isolation.targets.target import Target

POLL = 0.2  # seconds


@dataclass(frozen=True)
class Failure:
    """A target that could not be observed, and why."""

    target: Target
    error: IsolationError


@dataclass(frozen=True)
class Gathered:
    """
    What came of a session's targets.

    Attributes:
        observed: the targets that were observed, in the order given.
        failures: those that were not.
        stock: by the id of an attached target, the record of a stock sandbox of its runtime, or why there is none.
    """

    observed: tuple[Measurements, ...]
    failures: tuple[Failure, ...]
    stock: Mapping[str, Stock]


def gather(targets: Sequence[Target], sandboxes: SandboxCache) -> Gathered:
    """
    Set up every target and observe it, all side by side.

    The work runs in another thread while this one waits.  Ctrl-C and SIGTERM then interrupt the wait and not a
    half-made sandbox; commands that still run are ended before this raises.

    Args:
        targets: the session's targets.  One that fails may be replaced by an option of its runtime.
        sandboxes: creates the sandboxes and keeps them for the tests.
    """
    done: Future[Gathered] = Future()
    gathering = _Gathering(targets, sandboxes)
    thread = threading.Thread(target=_run, args=(gathering, done), name="isolation-gather", daemon=True)
    thread.start()
    try:
        while not done.done():  # not is_alive(): it is wrong after an interrupt of join() (bpo-45274)
            wait([done], POLL)
    except BaseException:
        sandboxes.stop()
        while not done.done():
            sandboxes.hosts.abort()
            wait([done], POLL)
        raise
    return done.result()


def _run(gathering: _Gathering, done: Future[Gathered]) -> None:
    try:
        done.set_result(gathering.run())
    except BaseException as error:  # raised again in the thread that waits
        done.set_exception(error)


class _Gathering:
    """One call of `gather`."""

    def __init__(self, targets: Sequence[Target], sandboxes: SandboxCache) -> None:
        self._targets = targets
        self._sandboxes = sandboxes
        self._turns = {target.host: threading.Lock() for target in targets}

    def run(self) -> Gathered:
        threads = ThreadPoolExecutor(max_workers=max(1, len(self._targets)))
        try:
            outcomes = list(threads.map(self._try, self._targets))
        except BaseException:  # do not wait for a guest to boot
            self._sandboxes.hosts.abort()
            raise
        finally:
            threads.shutdown(cancel_futures=True)
        observed = tuple(one for one in outcomes if isinstance(one, Measurements))
        failures = tuple(one for one in outcomes if isinstance(one, Failure))
        stock = {} if failures else observe_stock(observed, self._sandboxes.hosts)
        return Gathered(observed, failures, stock)

    def _try(self, target: Target) -> Measurements | Failure:
        try:
            return self._observe(target)
        except IsolationError as error:
            option = None if target.named else other_option(target.runtime, error)
            if option is None:
                return Failure(target, error)
            other = instead_of(target, option)
        try:
            return self._observe(other)
        except IsolationError as error:
            return Failure(other, error)

    def _observe(self, target: Target) -> Measurements:
        with explained():  # the other targets go on
            return self._make(target) if target.attached is None else self._attach(target, target.attached)

    def _make(self, target: Target) -> Measurements:
        """Create the target's sandbox and its peer, and take every view of them."""
        self._sandboxes.hosts.host(target.host)  # a machine that starts shows its own progress
        with self._turn(target), step(f"start {target.id}"):
            if target.command:
                target, main, peer = self._start_command(target)
            else:
                main, peer = _side_by_side(
                    lambda: self._sandboxes.live(target, "main"),
                    lambda: None if "peer" in target.runtime.cannot else self._sandboxes.live(target, "peer"),
                )
            record = observe_sandbox(target, main, peer)
        times = {"hello": main.hello_seconds, "facts": time.monotonic() - main.ready}
        return Measurements(target, record, self._sandboxes, times)

    def _start_command(self, target: Target) -> tuple[Target, Sandbox, Sandbox | None]:
        """Start a user's command twice; where it does not start beside itself the target has no peer."""
        main = self._sandboxes.live(target, "main")
        refuse_changed(main)
        try:
            return target, main, self._sandboxes.live(target, "peer")
        except IsolationError as error:
            why = f"the command does not start beside itself: {error.what}"
        runtime = target.runtime.model_copy(update={"cannot": {**target.runtime.cannot, "peer": why}})
        return replace(target, runtime=runtime), main, None

    def _attach(self, target: Target, attached: AttachTarget) -> Measurements:
        """Observe a sandbox that somebody else runs, and leave it as it is."""
        with step(f"attach to {target.id}"):
            started = time.monotonic()
            sandbox = Attached(self._sandboxes.hosts.host(target.host), replace(attached, runtime=target.runtime))
            record = observe_sandbox(target, sandbox, None)
        return Measurements(target, record, self._sandboxes, {"facts": time.monotonic() - started})

    @contextlib.contextmanager
    def _turn(self, target: Target) -> Iterator[None]:
        """On a machine start one target after the other: emulated processors are slower with two at once."""
        if target.host == LOCAL:
            yield
            return
        with self._turns[target.host]:
            yield


def _side_by_side(first: Callable[[], Sandbox], second: Callable[[], Sandbox | None]) -> tuple[Sandbox, Sandbox | None]:
    with ThreadPoolExecutor(max_workers=1) as thread:
        beside = thread.submit(second)
        main = first()
        return main, beside.result()
