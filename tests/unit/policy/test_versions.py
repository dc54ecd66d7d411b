"""pytest_isolation.policy.versions: ranges, pre-releases, and the order of Debian revisions."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.versions import compare_revisions, has_fix, in_range, is_range, is_release


@pytest.mark.parametrize(
    ("version", "wanted", "inside"),
    [
        ("1.1.11", ">=1.0.0-rc93,<1.1.12", True),
        ("1.1.12", ">=1.0.0-rc93,<1.1.12", False),
        ("1.0.0-rc92", ">=1.0.0-rc93,<1.1.12", False),
        ("1.0.0-rc93", ">=1.0.0-rc93,<1.1.12", True),
        ("1.0.0-rc95", "<1.0.0", True),
        ("1.0.0~rc93+ds1-5+deb11u3", ">=1.0.0-rc93", True),
        ("1.0.0", "<=1.0.0-rc10", False),
        ("1.4.0-rc.2", ">=1.4.0-rc.1,<1.4.0-rc.3", True),
        ("1.4.0-rc.3", ">=1.4.0-rc.1,<1.4.0-rc.3", False),
        ("2.0.0-alpha.1", "<2.0.0-beta.0", True),
        ("v2.0.0-beta.0", "<2.0.0-rc.0", True),
        ("20.10.24+dfsg1", "<20.10.14", False),
        ("20.10.5+dfsg1-1+deb11u2", "<20.10.14", True),
        ("7.2.22 (7.2+dfsg-7+deb12u18)", "<7.2.4", False),
        ("6.1.76-1", "<6.1.131", True),
        ("nothing", ">=0", False),
        ("", ">=0", False),
    ],
)
def test_a_version_lies_in_a_range_by_its_numbers_and_its_stage(version: str, wanted: str, inside: bool) -> None:
    assert inside == in_range(version, wanted)


@pytest.mark.parametrize("text", ["1.2", "~1.2", ">=", "<1.2 or <1.3", "<a", ">=1.2;<3", ""])
def test_another_text_is_no_range(text: str) -> None:
    assert not is_range(text)
    assert not in_range("1.2", text)


@pytest.mark.parametrize("version", ["1.1.12", "v1.1.12", "1.0.0-rc95", "1.1.12-0-g51d5e94", "17.03.2-ce", "6.1.131"])
def test_a_projects_own_release_is_a_release(version: str) -> None:
    assert is_release(version)


@pytest.mark.parametrize(
    "version",
    [
        "1.1.5+ds1",
        "1.1.5+ds1-1+deb12u1",
        "6.18.44-fc-v595",
        "6.1.0-18-amd64",
        "7.2.22 (7.2+dfsg-7)",
        "1.1.4-5-gabcdef1",
        "24.0.7-0ubuntu4",
        "rolling",
        "",
    ],
)
def test_a_third_partys_build_is_no_release(version: str) -> None:
    assert not is_release(version)


@pytest.mark.parametrize(
    ("version", "fixed", "expected"),
    [
        ("1.1.5+ds1-1+deb12u1", "1.1.5+ds1-1+deb12u1", True),
        ("1.1.5+ds1-1+deb12u1+b3", "1.1.5+ds1-1+deb12u1", True),
        ("1.1.5+ds1-1+deb12u10", "1.1.5+ds1-1+deb12u2", True),
        ("1.1.5+ds1-1", "1.1.5+ds1-1+deb12u1", False),
        ("7.2.22 (7.2+dfsg-7+deb12u18+b3)", "7.2+dfsg-7+deb12u1", True),
        ("7.2.0 (7.2+dfsg-7)", "7.2+dfsg-7+deb12u1", False),
        ("1.1.5+ds1", "1.1.5+ds1-1+deb12u1", None),  # a package without its revision
        ("1.1.4+ds1-1", "1.1.5+ds1-1+deb12u1", None),  # another branch
        ("1.1.5-0ubuntu1", "1.1.5+ds1-1+deb12u1", None),  # another distribution
        ("1.1.5", "1.1.5+ds1-1+deb12u1", None),
    ],
)
def test_a_fix_is_compared_only_within_one_branch(version: str, fixed: str, expected: bool | None) -> None:
    assert has_fix(version, fixed) is expected


# the order that `dpkg --compare-versions` gave, smallest first
ORDER = ["0ubuntu1", "1~deb12u2", "1", "1a", "1+deb12u1", "1+deb12u1+b6", "1.1", "2", "7+deb12u6", "7+deb12u18", "10"]


def test_revisions_are_ordered_as_dpkg_orders_them() -> None:
    for at, one in enumerate(ORDER):
        for other, two in enumerate(ORDER):
            assert (at > other) - (at < other) == compare_revisions(one, two), (one, two)
