"""Finds what a reader ends in that is neither a value nor one line of ours.

In: a target, its samples and cases.  Out: the error and the smallest case of each place that raises one.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from fuzz.drawn import smaller
from fuzz.inputs import Case, Sample
from fuzz.targets import ENDS, Target

LONGEST = 1500  # characters of a line


@dataclass(frozen=True)
class Reader:
    """
    A target with its samples by name.

    Attributes:
        target: the target.
        samples: its samples.
    """

    target: Target
    samples: dict[str, Sample]

    def read(self, case: Case) -> str:
        """Read one case; return the line that refuses it, "" for none.  An AssertionError if it is not one line."""
        text = ""
        try:
            self.target.read(self.samples[case.sample].change(case.edits, case.splices))
        except ENDS as error:
            text = str(error)
        assert text == "" or text.isprintable(), f"not one printable line: {text!r}"
        assert len(text) < LONGEST
        return text

    def find_crashes(self, cases: Iterable[Case]) -> list[Exception]:
        """Read all cases; return one error for each place that raises one, with its smallest case as a note."""
        crashes: dict[str, Exception] = {}
        for case in cases:
            error = self._crash(case)
            if error is not None and _place(error) not in crashes:
                crashes[_place(error)] = error
                kept = self._shrink(case, _place(error)).dump()
                error.add_note(f"keep it as tests/fuzz/corpus/{self.target.name}/NAME.json:\n{kept}")
        return list(crashes.values())

    def _crash(self, case: Case) -> Exception | None:
        try:
            self.read(case)
        except Exception as error:
            return error
        return None

    def _shrink(self, case: Case, place: str) -> Case:
        """Leave out what is not needed for a crash at the same place."""
        for less in smaller(case):
            error = self._crash(less)
            if error is not None and _place(error) == place:
                return self._shrink(less, place)
        return case


def _place(error: Exception) -> str:
    """Return the type of an error and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.filename}:{last.lineno}"
