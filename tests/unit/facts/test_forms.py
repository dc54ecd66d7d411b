"""provisioner.facts.forms: what a kernel may give is taken, what a check could not read is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from provisioner.facts import forms
from provisioner.limits.measured import Amount
from provisioner.observed import Answer


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (forms.CpuList, ["0", "0-3,8", "", "0-8191"]),
        (forms.MountTag, ["shared:3", "master:1", "propagate_from:2", "unbindable", "later:x"]),
        (forms.MountRoot, ["/", "/..", "/a b", "net:[4026532177]"]),
        (forms.MountPoint, ["/", "/proc"]),
        (forms.LinkToFile, ["", "/probe", "/probe (deleted)", "(unreachable)/probe", "/memfd:x (deleted)"]),
        (forms.DeviceRule, ["a *:* rwm", "c 1:3 rwm", "b *:5 r"]),
        (forms.Ids, [[0, 0, 0, 4294967295]]),
        (forms.NestedPids, [[7], [4242, 1]]),
        (Answer, ["ok", "EPERM", "E2BIG", "E133", "SIGSYS", "SIGSEGV", "timeout"]),
        (Amount, [0.0, 0.25, float(1 << 40)]),
    ],
)
def test_what_kernels_give_is_taken(form: Any, values: list[Any]) -> None:
    for value in values:
        assert TypeAdapter(form).validate_python(value) == value


@pytest.mark.parametrize(
    ("form", "values"),
    [
        (forms.CpuList, ["x", "0-", "-3", "0,,1", ",", "0-99999999999", "٣", "9" * 4000]),
        (forms.MountTag, ["shared:", "shared:x", "master:-1", "propagate_from:²"]),
        (forms.MountRoot, [""]),
        (forms.SomeText, [""]),
        (forms.MountPoint, ["", "xxxx", "proc"]),
        (forms.LinkToFile, ["xxxx", "probe", "pipe:[3]"]),
        (forms.DeviceRule, ["", "c", "c 1:3", "x 1:3 rwm", "c 1:3 rwx"]),
        (forms.Ids, [[], [0], [0] * 3, [0] * 5, [-1, 0, 0, 0], [1 << 32, 0, 0, 0]]),
        (forms.NestedPids, [[], [1] * 34, [(1 << 22) + 1]]),
        (forms.DeviceNumber, [[], [1], [1, 3, 5]]),
        (Answer, ["", "banana", "eperm", "EPERM\n", "ok "]),
        (Amount, [float("inf"), float("nan"), -1.0, 1e30]),
    ],
)
def test_what_no_check_could_read_is_refused(form: Any, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValidationError):
            TypeAdapter(form).validate_python(value)
