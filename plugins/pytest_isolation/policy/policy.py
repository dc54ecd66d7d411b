"""Judges verdicts: what is fine, what is documented, what is waived, what is a finding.

In: a check, its target and its verdict; the asked profile, the runtimes' documented exceptions, the waivers, the day.
Out: a frozen `Ruling`.  Called by plugin.py (live) and judge.py (archived).  Pure: observes nothing, draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pytest_isolation.policy.expected import Documented, Expected
from pytest_isolation.policy.profile import Profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.policy.waivers import Waiver

CLAIM_NO_WALL = ("self", "pid")  # the place pytest runs in, and a process that no runtime names


@dataclass(frozen=True)
class Ruling:
    """A judgement, why, where that is documented, and the name of the waiver that it rests on."""

    judgement: Judgement
    reason: str = ""
    source: str = ""
    waiver: str = ""


@dataclass(frozen=True)
class Policy:
    """
    What this run demands.

    Args:
        profile: what must hold beyond "as documented"; None asks for no more than that.
        expected: the documented exceptions, by runtime.
        waivers: what is accepted for a while.
        today: the day, in UTC, that waivers are compared with.
    """

    profile: Profile | None = None
    expected: Mapping[str, Expected] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def __str__(self) -> str:
        return str(self.profile) if self.profile else "as documented"

    def judge(
        self,
        check: Check,
        kind: str,
        target: str,
        runtime: str,
        conditions: Mapping[str, str],
        verdict: Verdict,
        reason: str = "",
    ) -> Ruling:
        """
        Judge one verdict by the table of the design, section 5.

        Args:
            check: what was checked.
            kind: "container" or "vm".
            target: the target's id, which waivers name.
            runtime: whose expected.yaml counts; `self` and a bare process claim no wall.
            conditions: what its `when` is compared with.
            verdict: what was observed.
            reason: why, as the check told it.
        """
        if verdict is Verdict.NOT_APPLICABLE:
            return Ruling(Judgement.NONE)
        documented = self._documented(check, runtime, conditions)
        waiver = next((w for w in self.waivers if w.covers(check.id, target) and w.days_expired(self.today) <= 0), None)
        if verdict is Verdict.HOLDS:
            return _rule_held(documented, waiver)
        required = self.profile is not None and self.profile.requires(check, kind)
        named = documented is not None and documented.covers(verdict.value, reason)
        if documented is not None and named and not required:
            return Ruling(Judgement.DOCUMENTED, source=documented.source)
        unseen = conditions.get("unseen", "")  # of a sandbox that somebody else runs, why not all was seen
        if unseen and verdict is Verdict.UNKNOWN and unseen in reason and not required:
            return Ruling(Judgement.DOCUMENTED, source=f"attached: {unseen}")
        # what a user's own test demands of that place is no wall that it might lack
        lacking = verdict in (Verdict.OPEN, Verdict.UNKNOWN) and not required
        if runtime in CLAIM_NO_WALL and not check.is_own and lacking:
            return Ruling(Judgement.DOCUMENTED, source=f"{runtime} claims no wall")
        if waiver is not None:
            reason = f"waived until {waiver.until.isoformat()} by {waiver.owner}: {waiver.reason}"
            return Ruling(Judgement.WAIVED, reason, waiver=waiver.name)
        return self._rule_finding(check, target, required, documented if named else None)

    def unused_waivers(self, used: Iterable[str]) -> tuple[Waiver, ...]:
        """Return the waivers that no cell rests on, given the names that cells carry."""
        names = set(used)
        return tuple(waiver for waiver in self.waivers if waiver.name not in names)

    def _rule_finding(self, check: Check, target: str, required: bool, documented: Documented | None) -> Ruling:
        """Say what makes it one: a waiver that ended, or a profile that demands what is documented not to hold."""
        expired = next((w for w in self.waivers if w.covers(check.id, target)), None)
        if expired is not None:
            days = expired.days_expired(self.today)
            reason = f"waiver expired {days} {'day' if days == 1 else 'days'} ago: {expired.reason}"
            return Ruling(Judgement.FINDING, reason, waiver=expired.name)
        if documented is not None:
            reason = f"{self.profile} demands it; documented: {documented.source}"
            return Ruling(Judgement.FINDING, reason, source=documented.source)
        return Ruling(Judgement.FINDING, f"{self.profile} demands it" if required else "")

    def _documented(self, check: Check, runtime: str, conditions: Mapping[str, str]) -> Documented | None:
        expected = self.expected.get(runtime)
        return expected.find(check.id, conditions) if expected is not None else None


def _rule_held(documented: Documented | None, waiver: Waiver | None) -> Ruling:
    """A wall that was only documented as unobservable is no better than expected; an open one that holds is."""
    if waiver is not None:
        return Ruling(Judgement.BETTER, f"holds, though waived: {waiver.reason}", waiver=waiver.name)
    if documented is not None and documented.verdict != "unknown":
        return Ruling(
            Judgement.BETTER, f"holds, though documented {documented.verdict}: {documented.source}", documented.source
        )
    return Ruling(Judgement.OK)
