"""provisioner.converge.role and templates: roles are read strictly, and faults name file, line and the nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.converge.role import check_variables, effective_variables, load_roles, roles_hash
from provisioner.converge.state import collect_wanted
from provisioner.errors import IsolationError
from provisioner.paths import ROLES


def write_role(folder: Path, name: str, text: str, **templates: str) -> None:
    (folder / name / "templates").mkdir(parents=True)
    (folder / name / "role.yaml").write_text(text)
    for file, content in templates.items():
        (folder / name / "templates" / file.replace("__", ".")).write_text(content)


def error_of(folder: Path, *names: str, **variables: str) -> str:
    with pytest.raises(IsolationError) as caught:
        collect_wanted(load_roles(names, folder), variables)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pakages: [jq]\n", "web/role.yaml:1: unknown key 'pakages'; did you mean 'packages'?"),
        (
            "packages: [jq]\nservices:\n  - {name: x, stat: started}\n",
            "web/role.yaml:3: unknown key 'stat'; did you mean 'state'?",
        ),
        (
            "services:\n  - {name: x, state: running}\n",
            "web/role.yaml:2: services.0.state: should be 'started' or 'stopped', not 'running'",
        ),
        ("needs:\n  - wbe2\n", "web/role.yaml:2: needs.0: no such role 'wbe2', did you mean 'web'?"),
        ("files:\n  - {path: /etc/x}\n", "web/role.yaml:2: files.0: '/etc/x' needs either template or content"),
        (
            "verify:\n  - {package: x, running: true}\n",
            "web/role.yaml:2: verify.0: 'running' says nothing of a package",
        ),
        (
            "verify:\n  - {running: true}\n",
            "web/role.yaml:2: verify.0: needs exactly one of package, service, file, sysctl, command",
        ),
        ("variables: {Port: 1}\n", "web/role.yaml:1: the key 'Port' is not allowed"),
        ("files:\n  - {path: /etc/../x, content: a}\n", "web/role.yaml:2: files.0.path: String should match pattern"),
        ("packages: ['-oAPT::x']\n", "web/role.yaml:1: packages.0: String should match pattern"),
    ],
)
def test_a_fault_in_a_role_names_file_line_and_the_nearest(tmp_path: Path, text: str, message: str) -> None:
    write_role(tmp_path, "web", text)

    assert error_of(tmp_path, "web").startswith(message)


def test_an_unknown_role_names_the_nearest() -> None:
    with pytest.raises(IsolationError) as caught:
        load_roles(["dokcer"])

    assert str(caught.value).startswith("cannot find role 'dokcer'; did you mean 'docker'? (there are: ")


def test_an_unknown_variable_names_the_nearest(tmp_path: Path) -> None:
    write_role(tmp_path, "web", "variables: {port: 80}\n")

    assert (
        error_of(tmp_path, "web", prot="1") == "cannot set variable 'prot': no role here has it; did you mean 'port'?"
    )


def test_an_undefined_variable_names_template_line_and_the_nearest(tmp_path: Path) -> None:
    text = "variables: {port: 80}\nfiles:\n  - {path: /etc/web, template: web.j2}\n"
    write_role(tmp_path, "web", text, web__j2="# ports\n\nlisten {{ prot }}\n")

    assert (
        error_of(tmp_path, "web")
        == "cannot render 'web/templates/web.j2' line 3: 'prot' is undefined; did you mean 'port'?"
    )


def test_an_undefined_variable_in_an_included_template_names_the_line_that_uses_it(tmp_path: Path) -> None:
    text = "files:\n  - {path: /etc/web, template: web.j2}\n"
    write_role(tmp_path, "web", text, web__j2="{% include 'part.j2' %}", part__j2="\n\n\n{{ gone }}\n")

    assert error_of(tmp_path, "web") == (
        "cannot render 'web/templates/web.j2' line 4: 'gone' is undefined; the role has no variables"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\n{% if %}\n", "cannot render 'web/templates/web.j2' line 2: Expected an expression"),
        ("{{ 1 / 0 }}", "cannot render 'web/templates/web.j2' line 1: division by zero"),
        ("{{ ''.__class__ }}", "cannot render 'web/templates/web.j2' line 1: access to attribute '__class__'"),
    ],
)
def test_a_template_that_cannot_be_rendered_names_the_line(tmp_path: Path, template: str, message: str) -> None:
    write_role(tmp_path, "web", "files:\n  - {path: /etc/web, template: web.j2}\n", web__j2=template)

    assert error_of(tmp_path, "web").startswith(message)


def test_a_template_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    write_role(tmp_path, "web", "files:\n  - {path: /etc/web, template: wbe.j2}\n", web__j2="")

    assert error_of(tmp_path, "web") == (
        "cannot render template 'wbe.j2' of role 'web': no such file in its templates/; did you mean 'web.j2'?"
    )


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (
            "files:\n  - {path: /etc/x, content: a}\n",
            "files:\n  - {path: /etc/x, content: b}\n",
            "cannot write file '/etc/x': the roles 'one' and 'other' want it different; leave it to one of them",
        ),
        (
            "sysctls: {net.ipv4.ip_forward: 1}\n",
            "sysctls: {net/ipv4/ip_forward: 0}\n",
            "cannot set sysctl 'net/ipv4/ip_forward': the role 'one' wants '1', 'other' wants '0';"
            " leave it to one of them",
        ),
        (
            "services:\n  - {name: docker, state: started}\n",
            "services:\n  - {name: docker.service, state: stopped}\n",
            "cannot converge service 'docker.service': the roles 'one' and 'other' want it different;"
            " leave it to one of them",
        ),
    ],
)
def test_two_roles_that_contradict_each_other_are_both_named(
    tmp_path: Path, one: str, other: str, message: str
) -> None:
    write_role(tmp_path, "one", one)
    write_role(tmp_path, "other", other)

    assert error_of(tmp_path, "one", "other") == message


def test_what_two_roles_want_alike_is_no_contradiction(tmp_path: Path) -> None:
    text = "packages: [jq]\nsysctls: {vm.swappiness: 1}\nservices:\n  - {name: docker, enabled: true}\n"
    write_role(tmp_path, "one", text)
    write_role(tmp_path, "other", text.replace("enabled: true", "state: started"))
    wanted = collect_wanted(load_roles(["one", "other"], tmp_path), {})

    assert wanted.kinds["package"] == ("jq",)
    assert (wanted.kinds["service"]["docker.service"].state, wanted.kinds["service"]["docker.service"].enabled) == (
        "started",
        True,
    )


def test_needed_roles_come_first_and_once(tmp_path: Path) -> None:
    write_role(tmp_path, "base", "")
    write_role(tmp_path, "left", "needs: [base]\n")
    write_role(tmp_path, "right", "needs: [left, base]\n")

    assert [role.name for role in load_roles(["right", "left"], tmp_path)] == ["base", "left", "right"]


def test_roles_that_need_each_other_are_named_as_a_circle(tmp_path: Path) -> None:
    write_role(tmp_path, "a", "needs: [b]\n")
    write_role(tmp_path, "b", "needs: [a]\n")

    assert error_of(tmp_path, "a") == "cannot load role 'a': the roles need each other: a → b → a"


def test_a_template_that_is_no_text_or_too_long_is_refused(tmp_path: Path) -> None:
    write_role(tmp_path, "web", "")
    (tmp_path / "web/templates/x").write_bytes(b"\xff")
    assert error_of(tmp_path, "web") == "cannot read 'web/templates/x': not UTF-8"

    (tmp_path / "web/templates/x").write_bytes(b"a" * (257 << 10))
    assert error_of(tmp_path, "web") == "cannot read 'web/templates/x': more than 256 KiB"


def test_given_variables_replace_defaults_and_only_in_the_roles_that_have_them(tmp_path: Path) -> None:
    write_role(tmp_path, "one", "variables: {port: 80, name: a}\n")
    write_role(tmp_path, "other", "variables: {port: 81}\n")
    one, other = load_roles(["one", "other"], tmp_path)

    check_variables([one, other], {"port": 8080})
    assert effective_variables(one, {"port": 8080, "name": "b"}) == {"port": 8080, "name": "b"}
    assert effective_variables(other, {"port": 8080, "name": "b"}) == {"port": 8080}


def test_the_hash_changes_with_all_that_a_role_does_and_with_nothing_else(tmp_path: Path) -> None:
    text = "variables: {port: 80}\nfiles:\n  - {path: /etc/web, template: web.j2}\nverify:\n  - {package: jq}\n"
    write_role(tmp_path / "a", "web", text, web__j2="x\n")
    write_role(tmp_path / "b", "web", text.replace("jq", "curl"), web__j2="x\n")
    write_role(tmp_path / "c", "web", text, web__j2="y\n")
    hashes = [roles_hash(load_roles(["web"], tmp_path / name), {}) for name in "abc"]

    assert hashes[0] == hashes[1] != hashes[2]
    assert roles_hash(load_roles(["web"], tmp_path / "a"), {"port": 81}) not in hashes


@pytest.mark.parametrize("name", ["docker", "podman", "runc", "lxc"])
def test_the_roles_that_come_with_the_package_render(name: str) -> None:
    wanted = collect_wanted(load_roles([name], ROLES), {})

    assert wanted.kinds["package"]


def test_all_roles_that_come_with_the_package_agree() -> None:
    wanted = collect_wanted(load_roles(["docker", "podman", "runc", "lxc"], ROLES), {})

    assert wanted.kinds["module"] == ("br_netfilter", "bridge", "fuse", "overlay", "veth")
