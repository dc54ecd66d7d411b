"""Hypothesis's profile of the lane `fuzz`: more drawn inputs than in a usual run.

The readers of tests/fuzz draw without hypothesis.  A test with a `max_examples` of its own keeps that number: its
examples start processes or wait.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
