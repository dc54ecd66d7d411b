"""A user's command line as a runtime: where the probe comes in, what stays, and what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import IsolationError
from provisioner.runtimes.command_line import read_command
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.users_own import literal

VALUES = {"probe": "/cache/probe", "nonce": "00ff", "name": "isolation-1-1", "run": "1", "argv": ["/probe", "facts"]}
ADDED = (
    "--interactive --rm --pull=never --name isolation-1-1 --label isolation.run=1 "
    "--mount type=bind,source=/cache/probe,target=/probe,readonly --entrypoint /probe"
)


SUPERVISED = ["/cache/probe", "launch", "--supervise", "--"]


def started(text: str) -> list[str]:
    """Return what a command line starts, with the probe in it."""
    return render_argv(read_command(text).runtime.create, VALUES, "create")


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("bwrap --unshare-all -- {probe}", ["bwrap", "--unshare-all", "--", "/cache/probe", "serve", "00ff"]),
        ("sh -c 'exec {probe}'", ["sh", "-c", "exec /cache/probe serve 00ff"]),
        ("jail --bind {probe-file}:/p {probe:/p}", ["jail", "--bind", "/cache/probe:/p", "/p", "serve", "00ff"]),
        ("jail {probe-file} {probe:/p}", ["jail", "/cache/probe", "/p", "serve", "00ff"]),
        ("sh -c 'cd /x; {probe:/a b/p}'", ["sh", "-c", "cd /x; '/a b/p' serve 00ff"]),
        ("env 'A={{ no }}' \"B='{%\" {probe}", ["env", "A={{ no }}", "B='{%", "/cache/probe", "serve", "00ff"]),
        ("docker run --rm me/app {probe}", ["docker", "run", "--rm", "me/app", "/cache/probe", "serve", "00ff"]),
    ],
)
def test_the_probe_comes_in_at_its_place(text: str, argv: list[str]) -> None:
    assert started(text) == [*SUPERVISED, *argv]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("jail {probe-tty}", ["--terminal", "--", "jail", "/cache/probe", "serve", "00ff"]),
        ("jail {probe-tty:/p}", ["--terminal", "--", "jail", "/p", "serve", "00ff"]),
        ("jail {probe-fd}", ["--memfd-exec", "--", "jail", "/proc/self/fd/3", "serve", "00ff"]),
        (
            "chroot /srv {probe-copy:/srv/bin=/bin}",
            [
                "--copy",
                "/srv/bin/isolation-probe-00ff",
                "--",
                "chroot",
                "/srv",
                "/bin/isolation-probe-00ff",
                "serve",
                "00ff",
            ],
        ),
        (
            "sh -c 'exec chroot /srv {probe-copy:/srv/=/}'",
            [
                *("--copy", "/srv/isolation-probe-00ff", "--", "sh", "-c"),
                "exec chroot /srv /isolation-probe-00ff serve 00ff",
            ],
        ),
    ],
)
def test_the_probe_comes_in_by_a_terminal_a_descriptor_or_a_copy(text: str, argv: list[str]) -> None:
    assert started(text) == [*SUPERVISED[:-1], *argv]


@pytest.mark.parametrize("mark", ["{probe-ttyy}", "{probe:p}", "{probe-copy:/srv}"])
def test_an_unknown_mark_names_the_known_ones(mark: str) -> None:
    with pytest.raises(IsolationError, match="is no mark for it") as raised:
        read_command(f"jail {mark}")

    assert "{probe" in (raised.value.hint or "")


def test_the_probe_is_copied_to_one_folder() -> None:
    with pytest.raises(IsolationError, match="copied to one folder"):
        read_command("jail {probe-copy:/a=/} {probe-copy:/b=/}")


def test_a_command_of_an_unknown_program_claims_no_policy_and_has_no_exec() -> None:
    runtime = read_command("/opt/jail/bin/jail -- {probe}").runtime

    assert (runtime.name, runtime.binary, runtime.exec, runtime.delete) == ("command", "/opt/jail/bin/jail", None, None)
    assert set(runtime.cannot) >= {"exec", "volume", "network.none"}


@pytest.mark.parametrize(
    ("text", "options", "image", "changed"),
    [
        ("docker run me/app", "", "me/app", ()),
        ("docker container run -m 64m me/app:1", "-m 64m", "me/app:1", ()),
        ("docker run -it me/app", "", "me/app", ("-it taken out",)),
        ("docker run -itP me/app", "-P", "me/app", ("-itP taken out",)),
        (
            "docker run -d --name web --restart=always --cap-drop ALL me/app",
            "--cap-drop ALL",
            "me/app",
            ("-d taken out", "--name web taken out", "--restart=always taken out"),
        ),
        ("docker run -p80:80 -v /a:/b -e A=1 me/app", "-p80:80 -v /a:/b -e A=1", "me/app", ()),
        ("docker run --privileged --init me/app", "--privileged --init", "me/app", ()),
        ("docker run --entrypoint /bin/a me/app", "", "me/app", ("--entrypoint /bin/a replaced by the probe",)),
        ("docker run me/app -c 'x y'", "", "me/app", ("-c x y replaced by the probe",)),
        ("docker run --read-only -- me/app", "--read-only", "me/app", ()),
        ("podman run --userns=auto --replace --name=a me/web", "--userns=auto", "me/web", None),
        ("podman run --tmpfs /run --rmi me/web", "--tmpfs /run", "me/web", ("--rmi taken out",)),
    ],
)
def test_an_engines_run_keeps_the_users_options(
    text: str, options: str, image: str, changed: tuple[str, ...] | None
) -> None:
    command = read_command(text)
    engine, *_ = text.split()
    run = "container run" if " container run" in text else "run"

    told = f"{engine} {run} {ADDED} {options} {image} serve 00ff".split()
    assert started(text) == told
    assert changed is None or command.changed == changed


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("docker --context far run me/app", ["--context", "far"]),
        ("docker -D --host=unix:///x.sock run me/app", ["-D", "--host=unix:///x.sock"]),
        ("/usr/bin/podman --root /s --runtime runc run me/app", ["--root", "/s", "--runtime", "runc"]),
        ("podman --root '/a {{b}}' run me/app", ["--root", "/a {{b}}"]),
    ],
)
def test_options_before_run_are_those_of_the_engines_other_commands_too(text: str, before: list[str]) -> None:
    runtime = read_command(text).runtime
    program = text.split()[0]
    assert runtime.exec is not None
    assert runtime.state is not None
    assert runtime.delete is not None

    for argv in (runtime.create, runtime.exec, runtime.state.argv, runtime.delete):
        assert render_argv(argv, VALUES, "x")[: 1 + len(before)] == [program, *before]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("me/app:1.4", "app"),
        ("localhost:5000/me/app", "app"),
        ("app@sha256:00", "app"),
        ("a:1@sha256:00", "a"),
        ("'b!'", "b-"),
    ],
)
def test_a_target_has_the_name_of_its_image(image: str, name: str) -> None:
    assert read_command(f"docker run {image}").name == name


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "it is empty"),
        ("''", "it is empty"),
        ("docker run 'me", "No closing quotation"),
        ("bwrap --unshare-all", "it has no {probe}"),
        ("sudo docker run me/app", "it has no {probe}"),
        ("lxc-start -n a", "it has no {probe}"),
        ("docker exec web sh", "'docker exec' is no run"),
        ("docker rum me/app", "did you mean 'run'"),
        ("docker", "is no run"),
        ("docker run --memory 64m", "it names no image"),
        ("docker run --memory", "it names no image"),
        ("docker run --", "it names no image"),
        ("x" * 9000, "more than 8192 characters"),
    ],
)
def test_what_cannot_be_read_is_one_line(text: str, error: str) -> None:
    with pytest.raises(IsolationError) as caught:
        read_command(text)

    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_every_word_stays_as_it_is(word: str) -> None:
    assert render_argv([literal(word)], {}, "word") == [word]


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_what_is_asked_of_the_engine_beside_it_can_still_be_rendered(engine: str) -> None:
    runtime = read_command(f"{engine} run me/app").runtime
    values: dict[str, object] = {
        "state": "/s",
        "run_dir": "/r",
        "host": {"root": True, "sys_resource": False},
        "name": "x",
        "argv": ["a"],
        "nonce": "0",
    }
    for name, argv in runtime.define.items():
        values[name] = render_argv(argv, values, name)
    assert runtime.version is not None
    assert runtime.delete is not None
    assert runtime.settings is not None

    for argv in (runtime.version.argv, runtime.settings.argv, runtime.delete, runtime.exec or []):
        assert render_argv(argv, values, "argv")[0] == engine
