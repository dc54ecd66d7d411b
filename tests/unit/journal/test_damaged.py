"""provisioner.journal.read: a damaged line is set aside and named; all other records are undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes_journal import OWNER, echo, lines, undone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.run import Run

DAMAGED_LINES = {
    "no JSON": b"\0\1\2\xff\n",
    "NUL bytes": b"\0" * 5000 + b"\n",
    "nesting": b"[" * 200_000 + b"\n",
    "nested object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n",
    "not a number": b'{"made": NaN, "kind": "netns", "values": ["x"]}\n',
    "infinity": b'{"made": 1e999, "kind": "netns", "values": ["x"]}\n',
    "huge number": b'{"made": ' + b"9" * 5000 + b', "kind": "netns", "values": ["x"]}\n',
    "large number": b'{"gone": ' + b"9" * 30 + b"}\n",
    "negative number": b'{"gone": -1}\n',
    "boolean number": b'{"gone": true}\n',
    "a list": b"[]\n",
    "a text": b'"made"\n',
    "empty object": b"{}\n",
    "empty argv": b'{"made": 9, "kind": "command", "values": []}\n',
    "empty program": b'{"made": 9, "kind": "command", "values": ["", "x"]}\n',
    "NUL in argv": b'{"made": 9, "kind": "command", "values": ["true", "\\u0000"]}\n',
    "surrogate": b'{"made": 9, "kind": "command", "values": ["true", "\\ud800"]}\n',
    "values is a text": b'{"made": 9, "kind": "command", "values": "true"}\n',
    "values are numbers": b'{"made": 9, "kind": "command", "values": [1, 2]}\n',
    "env is a list": b'{"made": 9, "kind": "command", "values": ["true"], "env": []}\n',
    "env without a name": b'{"made": 9, "kind": "command", "values": ["true"], "env": {"": "x"}}\n',
    "kind is a list": b'{"made": 9, "kind": ["command"], "values": ["true"]}\n',
    "unknown kind": b'{"made": 9, "kind": "everything", "values": ["true"]}\n',
    "unknown verb": b'{"made": 9, "kind": "verb", "values": ["end-everything"]}\n',
    "verb without arguments": b'{"made": 9, "kind": "verb", "values": ["stop-machine"]}\n',
    "relative path": b'{"made": 9, "kind": "cgroup", "values": ["x"]}\n',
    "path upwards": b'{"made": 9, "kind": "mount", "values": ["/run/../etc"]}\n',
    "path outside": b'{"made": 9, "kind": "path", "values": ["/nowhere/else"]}\n',
    "a path as a namespace": b'{"made": 9, "kind": "netns", "values": ["../x"]}\n',
    "process without identity": b'{"made": 9, "kind": "process", "values": ["77"]}\n',
    "first process": b'{"made": 9, "kind": "process", "values": ["1"], "start": 1, "boot": "b"}\n',
    "owner is a text": b'{"owner": "me", "start": 1, "boot": "b"}\n',
    "long line": b"x" * (5 << 20) + b"\n",
    "long path": json.dumps({"made": 9, "kind": "cgroup", "values": ["/d" * 2048]}).encode() + b"\n",
    "long name": json.dumps({"made": 9, "kind": "mount", "values": [f"/{'n' * 256}"]}).encode() + b"\n",
    "two paths": b'{"made": 9, "kind": "cgroup", "values": ["/x", "/y"]}\n',
    "verb with a relative path": b'{"made": 9, "kind": "verb", "values": ["end-process", "x/vmm.pid"]}\n',
    "verb with an unknown status": b'{"made": 9, "kind": "verb", "values": ["reset-libvirt-machine", "/l", "x", ""]}\n',
    "verb with another key": b'{"made": 9, "kind": "verb", "values": ["delete-canaries", "0x1", "-"]}\n',
    "verb without an address": b'{"made": 9, "kind": "verb", "values": ["run-over-ssh", "{}", "x", "true"]}\n',
}


@pytest.mark.parametrize("line", DAMAGED_LINES.values(), ids=DAMAGED_LINES)
def test_damaged_line_is_named_and_the_others_are_undone(runs: Path, tmp_path: Path, line: bytes) -> None:
    log = tmp_path / "log"
    (runs / "0a.jsonl").write_bytes(lines(OWNER, echo(1, log)) + line + lines(echo(2, log)))
    (runs / "0b.jsonl").write_bytes(lines(OWNER, echo(3, log)))

    said = prune()

    assert sorted(undone(log)) == ["1", "2", "3"]
    assert [text for text in said if text.startswith("set aside")] == [
        text for text in said if text.startswith(f"set aside line 3 of '{runs}/0a.jsonl': ")
    ]
    assert len(said) == 4
    assert all(text.isprintable() for text in said)
    assert sorted(path.name for path in runs.rglob("*")) == ["0a.jsonl", "damaged"]
    assert prune() == []


def test_many_damaged_lines_of_a_journal_are_one_line(runs: Path, tmp_path: Path) -> None:
    (runs / "0a.jsonl").write_bytes(lines(OWNER) + b"x\n" * 500 + lines(echo(1, tmp_path / "log")) + b"y\n")

    said = prune()

    assert said[1:] == [f"set aside 501 lines of '{runs}/0a.jsonl', from line 2: it is not JSON"]
    assert undone(tmp_path / "log") == ["1"]


def test_name_of_a_journal_does_not_reach_the_terminal_as_it_is(runs: Path) -> None:
    (runs / "0a\n\x1b[31m.jsonl").write_bytes(b"x\n")

    assert prune() == [f"set aside line 1 of '{runs}/0a ?[31m.jsonl': it is not JSON"]


def test_empty_journal_is_set_aside(runs: Path) -> None:
    (runs / "0a.jsonl").touch(0o600)

    assert prune() == [f"set aside line 1 of '{runs}/0a.jsonl': it names no owner"]


def test_record_that_cannot_be_undone_keeps_its_damaged_journal(runs: Path, tmp_path: Path) -> None:
    busy = {"made": 2, "kind": "command", "values": ["sh", "-c", "echo busy >&2; exit 1"]}
    (runs / "0a.jsonl").write_bytes(lines(OWNER, echo(1, tmp_path / "log"), busy) + b"x\n" + b'{"made": 3, "ki')

    first, second = prune(), prune()

    assert undone(tmp_path / "log") == ["1"]
    assert [text.split(":")[0] for text in second] == [
        "cannot run 'sh -c echo busy >&2; exit 1'",
        f"set aside line 4 of '{runs}/0a.jsonl'",
    ]
    assert first[1:] == second
    assert (runs / "0a.jsonl").read_bytes().splitlines()[-1] == b'{"gone": 1}'


def test_no_record_is_written_that_could_not_be_read(runs: Path) -> None:
    with Run.start() as run:
        for kind, what in (
            ("command", []),
            ("command", ["a\0"]),
            ("netns", "a/b"),
            ("cgroup", "x"),
            ("mount", "\ud800"),
        ):
            with pytest.raises(IsolationError, match="cannot record"):
                run.made(kind, what)  # type: ignore[arg-type]  # one of the literals
        assert len((runs / f"{run.id}.jsonl").read_text().splitlines()) == 1


VALID = st.integers(1, 20).map(lambda number: {"made": number, "kind": "command", "values": ["record", str(number)]})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["made", "kind", "values", "env", "start", "boot", "owner", "gone"])
MUTATED = (
    st.tuples(VALID, KEYS, JSON).map(lambda three: json.dumps(three[0] | {three[1]: three[2]}).encode())
    | JSON.map(lambda document: json.dumps(document).encode())
    | st.binary(max_size=200).map(lambda data: data.replace(b"\n", b""))
    | st.tuples(VALID, st.integers(0, 60), st.binary(max_size=3)).map(
        lambda three: (
            (text := json.dumps(three[0]).encode())[: three[1]] + three[2].replace(b"\n", b"") + text[three[1] :]
        )
    )
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.booleans(), max_size=8), st.data())
def test_prune_undoes_all_records_and_nothing_else(
    runs: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[bool], data: st.DataObject
) -> None:
    """Mutated lines between records: `gone` and owners are left out, because they are records too."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr("provisioner.journal.lanes.undo", lambda entry, seconds=None: ran.append(entry.values))
    wanted: list[tuple[str, ...]] = []
    text = lines(OWNER)
    for number, valid in enumerate(kinds, start=100):
        if valid:
            text += lines({"made": number, "kind": "command", "values": ["valid", str(number)]})
            wanted.append(("valid", str(number)))
        else:
            line = data.draw(MUTATED)
            if b'"gone"' not in line and b'"owner"' not in line:
                text += line + b"\n"
    (runs / "0a.jsonl").write_bytes(text)

    said = prune()

    assert not [line for line in said if line.startswith("cannot")]
    assert sorted(values for values in ran if values[0] == "valid") == sorted(wanted)
    for values in ran:
        assert all(isinstance(value, str) and "\0" not in value for value in values)
        assert values[0]
    assert not (runs / "0a.jsonl").exists()
