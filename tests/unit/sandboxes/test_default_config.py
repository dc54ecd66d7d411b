"""provisioner.sandboxes.config: the command that writes a runtime's default config runs once on a host."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provisioner.connection.local import LocalConnection
from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.config import write_config
from provisioner.sandboxes.spec import Spec

SPEC = "import sys, json; open(sys.argv[1] + '/config.json', 'w').write(json.dumps({'of': sys.argv[2], 'list': []}))"


class Files:
    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)


class Counted(LocalConnection):
    ran = 0

    def run(self, *args: Any, **more: Any) -> Any:
        self.ran += 1
        return super().run(*args, **more)


@pytest.fixture
def host() -> Host:
    made = SimpleNamespace(connection=Counted(), files=Files(), default_configs={})
    return cast("Host", made)


def runtime_with(word: str) -> Runtime:
    prepare = SimpleNamespace(
        file="config.json",
        argv=[sys.executable, "-c", SPEC, "{{ bundle }}", word],
        set={"named": "{{ name }}"},
    )
    return cast("Runtime", SimpleNamespace(name="made up", binary="made-up", prepare=prepare, limits={}, volume=None))


def written(host: Host, runtime: Runtime, folder: Path, name: str) -> dict[str, Any]:
    bundle = folder / name
    bundle.mkdir()
    values: dict[str, object] = {"bundle": str(bundle), "name": name, "nonce": "0123"}
    write_config(host, runtime, values, Spec(edits=(lambda config: config["list"].append(name),)))
    found: dict[str, Any] = json.loads((bundle / "config.json").read_text())
    return found


def test_a_second_sandbox_gets_the_same_default_with_its_own_values(host: Host, tmp_path: Path) -> None:
    runtime = runtime_with("all")

    assert written(host, runtime, tmp_path, "one") == {"of": "all", "list": ["one"], "named": "one"}
    assert written(host, runtime, tmp_path, "two") == {"of": "all", "list": ["two"], "named": "two"}
    assert cast("Counted", host.connection).ran == 1


def test_a_default_that_names_the_sandbox_is_written_for_each(host: Host, tmp_path: Path) -> None:
    runtime = runtime_with("of {{ name }}")

    assert [written(host, runtime, tmp_path, name)["of"] for name in ("one", "two")] == ["of one", "of two"]
    assert cast("Counted", host.connection).ran == 2


def test_a_sandbox_that_cannot_be_prepared_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioner.runtimes.load import load_runtime
    from provisioner.sandboxes.sandbox import Sandbox
    from provisioner.sandboxes.spec import Spec

    def refuse(*_: object) -> None:
        raise IsolationError("cannot make the image")

    unprepared = cast(
        "Host",
        SimpleNamespace(
            connection=None, run=SimpleNamespace(id="r"), directory=Path("/none"), values=refuse,
            files=SimpleNamespace(delete=lambda path: True),
        ),
    )  # fmt: skip
    with pytest.raises(IsolationError, match="cannot make the image"):
        Sandbox(unprepared, load_runtime("runc"), Spec())
