"""The end of a session's sandboxes."""

from __future__ import annotations

import os
import threading
from typing import Any
from unittest.mock import Mock

import pytest

from provisioner.errors import IsolationError
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


def test_a_forked_process_acts_on_no_sandbox() -> None:
    cache = SandboxCache(Mock())
    child = os.fork()
    if child == 0:
        try:
            cache.live(Mock(id="docker"))
        except IsolationError as error:
            os._exit(0 if "from a forked process" in str(error) else 2)
        os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    cache.require_process()
