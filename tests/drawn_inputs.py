"""Hypothesis's profile of the lane `fuzz`: many more drawn inputs than in a usual run.

A test with a `max_examples` of its own keeps that number: its examples start processes or wait.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
