"""A command line, a compose file or a pod that cannot be used is one line at the start, exit status 4.

A compose program of the test's own renders files as they are, so that no engine is needed.
"""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

RENDER = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" != -f ] || file=$2; shift; done
cat "$file"
"""
FILES = {
    "compose": "services: {web: {image: app}, built: {build: .}}",
    "built": "services: {built: {build: .}}",
    "broken": "services: [",
    "empty": "",
    "other": "{}",
    "number": "services: {web: 1}",
    "pod": "{kind: Pod, spec: {containers: [{name: a, image: app}]}}",
    "pod-nospec": "{kind: Pod}",
    "pod-words": "{kind: Pod, spec: words}",
    "pod-none": "{kind: Pod, spec: {containers: []}}",
    "service": "{kind: Service}",
}
COMPOSE = (
    ("", "it names no file; write --isolation-compose=FILE"),
    ("compse.yaml", "cannot read 'compse.yaml': no such file; did you mean 'compose.yaml'?"),
    (".", "cannot read '.': Is a directory"),
    ("broken.yaml", "broken.yaml:1: not YAML: *"),
    ("bytes.yaml", "bytes.yaml:2: not UTF-8"),
    ("empty.yaml", "cannot read 'empty.yaml': it has no services"),
    ("other.yaml", "cannot read 'other.yaml': it has no services"),
    ("number.yaml", "cannot read 'number.yaml': its service 'web' has no keys"),
    ("built.yaml", "no service of 'built.yaml' can be started: built: it is built and has no image (build it, *"),
)
POD = (
    ("", "it names no file; write --isolation-pod=FILE"),
    ("pot.yaml", "cannot read 'pot.yaml': no such file; did you mean 'pod.yaml'?"),
    (".", "cannot read '.': Is a directory"),
    ("broken.yaml", "broken.yaml:1: not YAML: *"),
    ("bytes.yaml", "bytes.yaml:2: not UTF-8"),
    ("empty.yaml", "cannot start a pod of 'empty.yaml': it has none with containers; kinds known: Pod, *"),
    ("pod-nospec.yaml", "cannot read 'pod-nospec.yaml': its Pod has no spec"),
    ("pod-words.yaml", "cannot read 'pod-words.yaml': its Pod has no spec"),
    ("pod-none.yaml", "cannot start a pod of 'pod-none.yaml': it has none with containers; kinds known: Pod, *"),
    ("service.yaml", "cannot start a pod of 'service.yaml': it has none with containers; kinds known: Pod, *"),
)
NO_MARK = "cannot put the probe into '{}': it has no {{probe}}; "
RUN = (
    ("", "cannot read the command line: it is empty; name a program: *"),
    ("web=", "cannot read the command line: it is empty; name a program: *"),
    ("env 'x", "cannot read the command line 'env 'x': No closing quotation"),
    ("env", NO_MARK.format("env") + "write {probe} where your program stands: 'env … -- {probe}'"),
    ("env {prob}", NO_MARK.format("env {prob}") + "did you mean '{probe}'?"),
    ("env {probe", NO_MARK.format("env {probe") + "did you mean '{probe}'?"),
    ("env {probe-ty}", "cannot put the probe into the command line: '{probe-ty}' is no mark for it; did you mean *"),
    (
        "env {probe} {probe}",
        "cannot put the probe into 'env {probe} {probe}': it stands for one program, and has two *",
    ),
    ("no-such-program {probe}", "no-such-program is not installed; install it, or name a program that is on PATH: *"),
    ("docker run", "cannot put the probe into 'docker run': it names no image"),
    ("docker rnu app", "cannot put the probe into 'docker rnu app': 'docker rnu' is no run; did you mean 'run'?"),
    ("docker exec web", "cannot put the probe into 'docker exec web': 'docker exec' is no run; write it as 'run', *"),
    ("docker-compose -f compose.yaml run wbe", "cannot start 'wbe': the compose file has no such service; did you *"),
    ("docker-compose -f compose.yaml run", "cannot take over 'docker-compose -f compose.yaml run': it names no *"),
    ("docker-compose -f compose.yaml run built", "cannot start the service 'built': it is built and has no image; *"),
    ("podman kube play pod.yaml b", "cannot start 'b': 'pod.yaml' has no such container; *"),
)
TOGETHER = (
    (("--isolation=container", "--isolation-service=web"), "--isolation-service needs --isolation-compose=FILE"),
    (
        ("--isolation-compose=compose.yaml", "--isolation-service=wbe"),
        "--isolation-service: no compose file has the service 'wbe'; did you mean 'web'?",
    ),
    (
        ("--isolation-compose=compose.yaml", "--isolation-service=built"),
        "--isolation-run: cannot start the service 'built': it is built and has no image; build it, *",
    ),
    (
        ("--isolation-run=a=env {probe}", "--isolation-run=a=nice {probe}"),
        "--isolation-run: two command lines are called 'a'",
    ),
)
CASES = (
    *(((f"--isolation-{option}={value}",), f"--isolation-{option}: {says}")
      for option, cases in (("compose", COMPOSE), ("pod", POD), ("run", RUN)) for value, says in cases),
    *TOGETHER,
)  # fmt: skip


@pytest.mark.parametrize(("options", "says"), CASES, ids=[" ".join(options) for options, _ in CASES])
def test_what_cannot_be_used_is_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], says: str
) -> None:
    for name, text in FILES.items():
        (pytester.path / f"{name}.yaml").write_text(text)
    (pytester.path / "bytes.yaml").write_bytes(b"a: b\n\xff\xfe")
    program = pytester.path / "programs/docker-compose"
    program.parent.mkdir()
    program.write_text(RENDER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    pytester.makepyfile("def test_one(sandbox): pass")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options, timeout=300)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    pytest.LineMatcher([line]).fnmatch_lines([f"ERROR: {says}".replace("[", "[[]")])
