"""Seccomp profiles as docker reads them, which refuse all dangerous calls but one.

In: the call.  Out: a profile, to be written as JSON.
"""

from __future__ import annotations

from typing import Any

from sound.filters import ALLOWED, REFUSED, WHOLE, rule

from pytest_isolation.walls.seccomp.tries import CALLS as TRIED

# Calls that only some of their arguments make dangerous, which a plant's filter allows with these.
IN_PART = ("clone(CLONE_NEWUSER)", "unshare(CLONE_NEWNET)", "socket(AF_VSOCK)", "personality(READ_IMPLIES_EXEC)")
# Calls that a plant's filter allows, one at a time: calls with a try, and calls that only the program shows.
CALLS = (*dict.fromkeys(TRIED.values()), "swapon", "iopl", "kexec_file_load", "keyctl", "process_madvise")
ALLOW = {"action": "SCMP_ACT_ALLOW"}
NAMESPACES = 0x7E020000  # CLONE_NEW* without CLONE_NEWTIME, as in docker's profile


def docker_profile(allowed: str = "", errno: int = 1) -> dict[str, Any]:
    """
    Return a docker profile, an allow list without the dangerous calls, except `allowed` (errno 1 is EPERM, 38 ENOSYS).

    Calls that it does not know answer ENOSYS.
    It covers the machine's own numbers; libseccomp kills callers by other ABIs.

    Args:
        allowed: a call, or one with arguments as reports name it: "clone(CLONE_NEWUSER)".
        errno: what the dangerous calls answer.
    """
    rules: list[dict[str, Any]] = [{"names": sorted(ALLOWED - {"socketcall"}), **ALLOW}, *_allowed_in_part()]
    if allowed:
        rules.append({"names": [allowed.partition("(")[0]], "args": _compared(allowed), **ALLOW})
    names = [name for name in refused() if name != allowed.partition("(")[0]]
    rules.append({"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": errno})
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": rules}


def deny_list() -> dict[str, Any]:
    """Return a docker profile that refuses every dangerous call and allows by default."""
    deny = {"action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    in_part = [one.label for one in REFUSED if one.call not in WHOLE] + ["socket(NETLINK_AUDIT)"]
    rules = [{"names": [label.partition("(")[0]], "args": _compared(label), **deny} for label in in_part]
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": refused(), **deny}, *rules]}


def _allowed_in_part() -> list[dict[str, Any]]:
    """Return the rules of clone, personality and socket, which docker allows with some arguments."""
    found: list[tuple[str, list[dict[str, Any]]]] = [("clone", [_compare(0, NAMESPACES, "SCMP_CMP_MASKED_EQ")])]
    found += [("personality", [_compare(0, value)]) for value in (0, 8)]
    families = ((16, "SCMP_CMP_LT"), *((family, "SCMP_CMP_EQ") for family in (*range(17, 38), 39)), (40, "SCMP_CMP_GT"))
    found += [("socket", [_compare(0, family, how)]) for family, how in families]
    found.append(("socket", [_compare(0, 16), _compare(2, 9, "SCMP_CMP_NE")]))
    return [{"names": [call], "args": args, **ALLOW} for call, args in found]


def _compared(label: str) -> list[dict[str, Any]]:
    """Return the comparisons that a rule about one label of a question makes; none for a whole call."""
    _, _, arguments = (rule(label) if "(" in label else label).partition(":")
    found = []
    for one in arguments.split(",") if arguments else ():
        index, value = (int(part, 0) for part in one.replace("&", "=").split("="))
        compare = _compare(index, value, "SCMP_CMP_MASKED_EQ" if "&" in one else "SCMP_CMP_EQ")
        found.append({**compare, "valueTwo": value if "&" in one else 0})
    return found


def refused() -> list[str]:
    """Return the calls that a profile refuses whatever their arguments."""
    return sorted(WHOLE)


def _compare(index: int, value: int, how: str = "SCMP_CMP_EQ") -> dict[str, Any]:
    return {"index": index, "value": value, "valueTwo": 0, "op": how}
