"""The end of a session's sandboxes."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest

from pytest_isolation.observe.sandboxes import SandboxCache


def test_without_memory_for_a_thread_each_sandbox_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = SandboxCache(Mock())
    sandboxes: list[Any] = [Mock(), Mock()]
    cache._further.extend(sandboxes)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    cache.release()

    assert all(sandbox.close.called for sandbox in sandboxes)
