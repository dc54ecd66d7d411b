"""The session and the controlling terminal of a process (process/session.c)."""

from __future__ import annotations

from provisioner.observed import Number, Observed


class Terminal(Observed):
    """
    Session and controlling terminal, fields 6 and 7 of proc_pid_stat(5).

    `session` is 0 if the session leader has no number in the reader's pid namespace; `tty` is 0 without a terminal.
    """

    session: Number
    tty: Number
