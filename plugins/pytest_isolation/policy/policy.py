"""Judges verdicts: ok, documented, waived, better, or a finding.

In: a check, its target and its verdict; the profile, the runtimes' documented exceptions, the waivers, the day.
Out: a frozen `Ruling`.  Pure: observes nothing, draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from pytest_isolation.policy.accepted import BY_PROJECT, Accepted
from pytest_isolation.policy.conditions import BEHIND, ELSEWHERE, Conditions
from pytest_isolation.policy.expected import Documented, Expected
from pytest_isolation.policy.profile import Profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.policy.waivers import Waiver

# where pytest runs, a process of an unknown runtime, and a user's own command
CLAIM_NO_WALL = ("self", "pid", "command")
UNREAD_VERSION = "the version could not be read"  # on which it depends what is documented
NOT_PUSHED = "attached: not pushed, no load is put on it"  # a limit of a sandbox that this run did not make


@dataclass(frozen=True)
class Ruling:
    """
    A judgement, its reason, the source that documents it, and the name of the waiver that covers it.

    `verdict` replaces the verdict that was judged: "unknown" for one that may be documented.
    """

    judgement: Judgement
    reason: str = ""
    source: str = ""
    waiver: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Policy:
    """
    What this run demands.

    Args:
        profile: what must hold beyond the documented state; None: nothing more.
        expected: the documented exceptions, by runtime.
        waivers: findings that are accepted until a day.
        accepted: by a target's id, its accepted state: every other wall of that target must hold.
        today: the day, in UTC, that waivers are compared with.
        own: the part of `expected` that the user's own file holds.
    """

    profile: Profile | None = None
    expected: Mapping[str, Expected] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    own: Mapping[str, Expected] = field(default_factory=dict)
    accepted: Mapping[str, Mapping[str, Accepted]] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(self.profile) if self.profile else "as documented"

    def judge(
        self,
        check: Check,
        kind: str,
        target: str,
        runtime: str,
        conditions: Conditions,
        verdict: Verdict,
        reason: str = "",
    ) -> Ruling:
        """
        Judge one verdict.

        Args:
            check: the check.
            kind: "container" or "vm".
            target: the target's id, which waivers name.
            runtime: the runtime that expected.yaml is read for; those of CLAIM_NO_WALL claim no wall.
            conditions: the target's conditions, compared with `when`.
            verdict: what was observed.
            reason: the check's reason.
        """
        if verdict is Verdict.NOT_APPLICABLE:
            return Ruling(Judgement.NONE)
        if target in self.accepted and not check.is_own:
            return self._judge_state(check, kind, target, self.accepted[target], verdict, reason)
        expected = self.expected.get(runtime)
        documented = expected.find(check.id, conditions, verdict.value, reason) if expected is not None else None
        waiver = next((w for w in self.waivers if w.covers(check.id, target) and w.days_expired(self.today) <= 0), None)
        if verdict is Verdict.HOLDS:
            return _rule_held(documented, waiver)
        required = self.profile is not None and self.profile.requires(check, kind)
        named = documented is not None and documented.covers(verdict.value, reason)
        if documented is not None and named and not required:
            return Ruling(Judgement.DOCUMENTED, source=documented.source)
        far = conditions.elsewhere
        if far in (ELSEWHERE, BEHIND) and verdict is Verdict.UNKNOWN and far in reason and not required:
            return Ruling(Judgement.DOCUMENTED, source=f"not observed from outside: {far}")
        unseen = conditions.unseen  # of an attached sandbox: why facts are unobserved
        if unseen and verdict is Verdict.UNKNOWN and unseen in reason and not required:
            return Ruling(Judgement.DOCUMENTED, source=f"attached: {unseen}")
        for why in (NOT_PUSHED, UNREAD_VERSION):
            if verdict is Verdict.UNKNOWN and reason.endswith(why) and not required:
                return Ruling(Judgement.DOCUMENTED, source=why)
        # a user's own test may demand anything of these targets
        lacking = verdict in (Verdict.OPEN, Verdict.UNKNOWN) and not required
        if runtime in CLAIM_NO_WALL and not check.is_own and lacking:
            return Ruling(Judgement.DOCUMENTED, source=f"{runtime} claims no wall")
        if waiver is not None:
            reason = f"waived until {waiver.until.isoformat()} by {waiver.owner}: {waiver.reason}"
            return Ruling(Judgement.WAIVED, reason, waiver=waiver.name)
        if expected is not None and not required:
            undecided = expected.undecided(check.id, conditions, verdict.value, reason)
            if undecided is not None:
                why = f"whether that is documented depends on its {undecided[1]}, which could not be read"
                return Ruling(Judgement.DOCUMENTED, why, undecided[0].source, verdict=Verdict.UNKNOWN)
        return self._rule_finding(check, target, required, documented if named else None)

    def _judge_state(
        self, check: Check, kind: str, target: str, state: Mapping[str, Accepted], verdict: Verdict, reason: str
    ) -> Ruling:
        """
        Judge a verdict of a target with an accepted state: what its runtime documents does not count.

        Args:
            check: the check.
            kind: "container" or "vm".
            target: the target's id.
            state: what is accepted of it.
            verdict: what was observed.
            reason: the check's reason.
        """
        entry = state.get(check.id)
        waiver = next((w for w in self.waivers if w.covers(check.id, target) and w.days_expired(self.today) <= 0), None)
        if verdict is Verdict.HOLDS:
            gained = f"gained: it holds, though isolation.yaml accepts it as {entry.verdict}" if entry else ""
            return Ruling(Judgement.BETTER, gained) if entry else _rule_held(None, waiver)
        required = self.profile is not None and self.profile.requires(check, kind)
        if entry is not None and entry.covers(verdict.value, reason) and not required:
            return Ruling(Judgement.DOCUMENTED, source=f"{BY_PROJECT}: {entry.reason or 'no reason yet'}")
        if waiver is not None:
            reason = f"waived until {waiver.until.isoformat()} by {waiver.owner}: {waiver.reason}"
            return Ruling(Judgement.WAIVED, reason, waiver=waiver.name)
        if required or any(one.covers(check.id, target) for one in self.waivers):
            return self._rule_finding(check, target, required, None)
        if entry is None:
            return Ruling(Judgement.FINDING, "lost: isolation.yaml does not accept it")
        accepted = f"{entry.verdict}: {entry.because}" if entry.because else entry.verdict
        return Ruling(Judgement.FINDING, f"lost: isolation.yaml accepts another state: {accepted}")

    def without_reason(self, targets: Iterable[str]) -> int:
        """Return how many accepted lines of these targets have no reason yet."""
        return sum(not entry.reason for target in targets for entry in self.accepted.get(target, {}).values())

    def unused_waivers(self, used: Iterable[str]) -> tuple[Waiver, ...]:
        """
        Return the waivers that cover no cell.

        Args:
            used: the names of waivers that cells carry.
        """
        names = set(used)
        return tuple(waiver for waiver in self.waivers if waiver.name not in names)

    def _rule_finding(self, check: Check, target: str, required: bool, documented: Documented | None) -> Ruling:
        """
        Return the finding with its cause: an expired waiver, or a profile that demands what is documented as open.
        """
        expired = next((w for w in self.waivers if w.covers(check.id, target)), None)
        if expired is not None:
            days = expired.days_expired(self.today)
            reason = f"waiver expired {days} {'day' if days == 1 else 'days'} ago: {expired.reason}"
            return Ruling(Judgement.FINDING, reason, waiver=expired.name)
        if documented is not None:
            reason = f"{self.profile} demands it; documented: {documented.source}"
            return Ruling(Judgement.FINDING, reason, source=documented.source)
        return Ruling(Judgement.FINDING, f"{self.profile} demands it" if required else "")


def _rule_held(documented: Documented | None, waiver: Waiver | None) -> Ruling:
    """Return `better` if a wall holds that was waived or documented as open; `ok` otherwise."""
    if waiver is not None:
        return Ruling(Judgement.BETTER, f"holds, though waived: {waiver.reason}", waiver=waiver.name)
    if documented is not None and documented.verdict != "unknown":
        return Ruling(
            Judgement.BETTER, f"holds, though documented {documented.verdict}: {documented.source}", documented.source
        )
    return Ruling(Judgement.OK)
