"""A session's end: hosts are closed whatever interrupts it."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from pytest_isolation.session.state import State


def test_an_interrupt_while_a_load_ends_does_not_keep_sandboxes_and_machines() -> None:
    background, sandboxes = Mock(), Mock()
    background.stop.side_effect = KeyboardInterrupt
    nothing: Any = None
    state = State(nothing, nothing, {}, [], sandboxes, background, {})

    with pytest.raises(KeyboardInterrupt):
        state.close()

    sandboxes.close.assert_called_once_with()
