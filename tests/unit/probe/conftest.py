"""The probe under test.

PROBE_UNDER_TEST names its file: `make check` sets it to the one with sanitizers, `make check-arm64` to the one that
qemu-user emulates, with PROBE_IS_EMULATED.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from served_probe import Served

from provisioner.probe import channel
from provisioner.probe.build import probe_binary

# What the emulator does not have, and the tests that need it
EMULATOR_LACKS = {
    "ptrace(2)": (
        "test_outside_reads_the_filters_of_every_task_and_resumes_it",
        "test_outside_reads_the_filters_of_the_whole_pid_namespace",
        "test_a_filter_of_maximum_length_is_complete",
        "test_a_task_without_filters_has_an_empty_stack",
        "test_filters_are_unobserved_if_not_requested_or_refused",
    ),
    "sock_diag(7)": (
        "test_only_sockets_that_it_connected_are_shown",
        "test_a_port_of_loopback_is_shown",
        "test_a_connection_out_of_a_network_namespace_is_shown",
        "test_a_connection_that_is_not_accepted_yet_has_no_name",
    ),
    "openat2(2)": (
        "test_files_show_who_else_may_open_them",
        "test_a_closed_folder_keeps_others_from_files",
        "test_listening_sockets_show_whether_others_may_connect",
        "test_a_closed_parent_folder_keeps_others_out",
    ),
    "the command line of the probe alone: the emulator's is before it": (
        "test_another_sandbox_in_its_cgroup_is_not_its_own",
        "test_what_keeps_another_sandbox_in_its_cgroup_is_not_its_own",
        "test_outside_finds_the_server_and_ignores_its_requests",
        "test_outside_accepts_a_pid_and_refuses_a_missing_or_ambiguous_nonce",
        "test_orphans_outlive_their_request_and_become_children_of_the_server",
    ),
    "the rules of rtnetlink(7)": (
        "test_a_new_namespace_holds_loopback_and_the_rules_of_the_kernel",
        "test_links_routes_rules_and_neighbours_of_both_families_are_seen",
    ),
    "a process without threads of its own": ("test_all_tries_are_made_under_a_limit_on_processes",),
    "the instruction cpuid, which only x86 has": ("test_the_hypervisor_bit_equals_cpuinfo",),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PROBE_IS_EMULATED" not in os.environ:
        return
    lacks = {name: what for what, names in EMULATOR_LACKS.items() for name in names}
    for item in items:
        what = lacks.get(item.name.partition("[")[0])
        if what is not None:
            item.add_marker(pytest.mark.skip(reason=f"the emulator lacks {what}"))


@pytest.fixture(scope="session")
def probe() -> Path:
    given = os.environ.get("PROBE_UNDER_TEST")
    return Path(given) if given else probe_binary().path


@pytest.fixture
def served(probe: Path) -> Iterator[Served]:
    one = Served(probe)
    yield one
    one.process.kill()
    one.end()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that stalls is given up at the deadline itself."""
    monkeypatch.setattr(channel, "GRACE", 0.0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for answers while the test plays the probe."""
    with ThreadPoolExecutor(32) as threads:
        yield threads
