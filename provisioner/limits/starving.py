"""Whether other work on the host kept a load from its limit, or something else did: a freezer, a disk, a stop.

In: a load with the times of its tasks: ran, waited for a processor, existed.  Out: shares and reasons.  Pure.
"""

from __future__ import annotations

from provisioner.limits.measured import BUSY, LoadBase, measured_number

READY = 0.8  # of the time that a load's tasks exist: below it, something else than other work held them
LONGEST = 3  # times the window of the first try


def window(attempt: int) -> int:
    """Return how many times longer than the first (0) a try of a load may take."""
    return min(attempt + 1, LONGEST)


def ready_share(load: LoadBase) -> float | None:
    """
    Return the share of its time in which a load ran or waited for a processor; None if it was not observed.

    A load that other work starves is ready all the time.  One that is frozen, stopped or waits for a disk is not.
    """
    ran, waited, existed = (measured_number(load, name) for name in ("ran_us", "waited_us", "existed_us"))
    return (ran + waited) / existed if ran is not None and waited is not None and existed else None


def was_held(load: LoadBase) -> bool:
    """Tell whether something else than other work kept a load from running, so that it is not worth another try."""
    share = ready_share(load)
    return share is not None and share < READY


def why_late(load: LoadBase, done: str) -> str:
    """
    Return why a load did not end in its time.

    Args:
        load: the measured load.
        done: what it did in that time: "took 3 MiB".
    """
    if was_held(load):
        seconds = f"it ran {load.ran_us / 1e6:.1f} s and waited {load.waited_us / 1e6:.1f} s for a processor"
        return f"something else held the load, which {done} in {load.existed_us / 1e6:.0f} s: {seconds}"
    return f"{BUSY}: the load {done} in its time{waited(load)}"


def waited(load: LoadBase) -> str:
    """Return how much of its time the load waited for a processor, as the end of a sentence; "" if unobserved."""
    waiting, existed = measured_number(load, "waited_us"), measured_number(load, "existed_us")
    return "" if waiting is None or not existed else f", and waited for a processor {waiting / existed:.0%} of the time"
