"""pytest_isolation.observe.measurements: each measurement is made once, and becomes part of the record."""

from __future__ import annotations

from typing import Any

import pytest
from sample_records import blank

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.observed import unobserved
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.teardown import TeardownResult
from pytest_isolation.live.sandbox import LiveView
from pytest_isolation.observe.measurements import Measured, Measurements
from pytest_isolation.targets.target import Target


class NoSandboxes:
    """A cache that creates no sandbox, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.asked = 0

    def require_process(self) -> None: ...

    def live(self, target: Target, part: str) -> Any:
        self.asked += 1
        raise IsolationError("cannot start 'docker': no daemon")

    def make(self, target: Target, spec: Any) -> Any:
        return self.live(target, "main")


@pytest.fixture
def sandboxes() -> NoSandboxes:
    return NoSandboxes()


@pytest.fixture
def measurements(sandboxes: Any) -> Measurements:
    target = Target("docker", load_runtime("docker").model_copy(update={"volume": None}), "local", named=True)
    return Measurements(target, blank(), sandboxes)


def test_a_reach_that_fails_is_unobserved_and_not_tried_again(
    measurements: Measurements, sandboxes: NoSandboxes
) -> None:
    for _ in range(2):
        with pytest.raises(UnobservedFact, match="no daemon"):
            measurements.reach("none")

    assert sandboxes.asked == 1
    assert "none" in measurements.record.reaches


def test_a_view_of_the_session_shows_what_was_measured_after_it_was_made(
    measurements: Measurements, sandboxes: Any
) -> None:
    view = LiveView(measurements, sandboxes)
    measurements.add(Measured(teardown=TeardownResult(residue=["a mount"], survivors=[], shared_file=None)))

    assert view.residue() == view.record.residue == ["a mount"]
    assert sandboxes.asked == 0


def test_what_a_worker_measured_arrives_in_the_controller(measurements: Measurements, sandboxes: Any) -> None:
    controller = Measurements(measurements.target, blank(), sandboxes)
    measurements.teardown()
    measurements.add(Measured(teardown=None))

    controller.add(Measured.model_validate_json(measurements.measured().model_dump_json(by_alias=True)))

    assert controller.record == measurements.record
    assert controller.record.raw("residue") == unobserved("cannot start 'docker': no daemon")


def test_what_was_not_measured_is_not_sent(measurements: Measurements) -> None:
    assert measurements.measured() == Measured()
