"""The policy: what a run demands, and what it makes of each verdict.

raised.py             what a check raises
verdict.py            verdicts, checks, cells; reads the marker `isolation`
profile.py            the levels that a run can demand
expected.py           what a runtime documents as open: roles/<name>/expected.yaml
documented_filter.py  the system calls that a runtime documents as refused or let through: roles/<name>/seccomp.yaml
waivers.py            findings that are accepted until a day
accepted.py           the state of a target that a project accepts
isolation_file.py     isolation.yaml and [tool.pytest-isolation]: a project's targets, waivers and accepted state
policy.py             judges one verdict by all of these
remedies.py           what fixes a finding on a runtime: roles/<name>/remedies.yaml
versions.py           compares versions
"""
