"""Turns on the host's network: one at a time, free after its holder has ended, and no wait without end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from plants import PLANTS
from turns import network_turn

HOLDER = """
import sys
sys.path[:0] = sys.argv[2:]
from turns import network_turn
with network_turn(int(sys.argv[1])):
    print(flush=True)
    input()
"""


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_one_at_a_time(port: int) -> None:
    inside: list[int] = []

    def enter(number: int) -> bool:
        with network_turn(port):
            inside.append(number)
            time.sleep(0.005)  # long enough for another to come in, were it let
            alone = inside == [number]
            inside.remove(number)
            return alone

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(enter, range(40)))


def test_a_killed_holder_leaves_it_and_a_living_one_is_not_waited_for_without_an_end(port: int) -> None:
    folder = str(Path(sys.modules[network_turn.__module__].__file__ or "").parent)
    argv = [sys.executable, "-c", HOLDER, str(port), folder]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline()
        with pytest.raises(OSError, match="in use"), network_turn(port, patience=0.1):
            pytest.fail("it is another's turn")
        holder.kill()
        holder.wait()

    with network_turn(port, patience=30):
        pass


def test_every_plant_that_listens_on_the_host_takes_its_turn() -> None:
    named = [plant for plant in PLANTS if "port on the host" in plant.name]

    assert len(named) >= 3
    assert all(plant.listens and plant.on_hosts_network for plant in named)
    assert not all(plant.on_hosts_network for plant in PLANTS)
