"""The table of system calls: the numbers of each ABI, and the calls that are newer than a kernel."""

from __future__ import annotations

from pytest_isolation.walls.seccomp.syscalls import ABIS, call_names, call_numbers, calls_newer_than, version


def test_the_table_has_the_numbers_of_the_newest_kernel() -> None:
    assert version().startswith("Call numbers of Linux 7.")
    assert call_numbers("aarch64")["statmount"] == call_numbers("x86_64")["statmount"] == 457
    assert {abi: call_numbers(abi)["bpf"] for abi in ABIS} == {
        "x86_64": 321,
        "i386": 357,
        "x32": 0x40000000 + 321,
        "aarch64": 280,
    }
    assert call_numbers("x32")["execve"] == 0x40000000 + 520
    assert "socketcall" not in call_numbers("x86_64")
    assert call_names("i386")[102] == "socketcall"
    for abi in ABIS:
        assert set(call_names(abi)) <= set(ABIS[abi].range)
        assert len(call_names(abi)) == len(call_numbers(abi))


def test_the_table_says_which_calls_are_newer_than_a_kernel() -> None:
    assert set(calls_newer_than("6.18.44")) == {"listns", "rseq_slice_yield"}
    assert calls_newer_than("6.1.0-18-amd64")["statmount"] == "6.8"
    assert "mseal" not in calls_newer_than("6.10")
    assert calls_newer_than("unknown") == {}
