"""
The bundled checks: plain pytest tests, each of which anyone can copy.

- `namespaces/`: namespaces, users, network, and whether both views of the sandbox agree.
- `privileges/`: capabilities, no_new_privs, seccomp filters, security modules, Landlock.
- `filesystem/`: mounts, files of /proc and /sys, device nodes, the image.
- `kernel/`: interfaces of the shared kernel, clocks, keyrings, hardware.
- `processes/`: descriptors, environment, IPC, signals, limits.
- `engine/`: the engine and the management plane.
- `machine/`: guests and the hypervisor's process.

A check asks for fixtures (`sandbox`, `peer`, `host_facts`) and asserts over their facts.
What facts mean is in `pytest_isolation.walls`, so that a check stays short.

How to add a check:

1. Write one function in the module of its area, or in a new `<area>/test_<name>.py`.
2. Mark it with `pytest.mark.isolation(id, severity=, profile=, refs=, gains=, remedy=, shows=, reproduce=)`.
   `pytest_isolation.policy.verdict.check_of` explains each value.
   The first line of the docstring is the claim that users read.
3. Give each assert a message that names the cause.
4. Plant a weakness that the check must find: `tests/weaknesses/plants/` in a live sandbox,
   or `tests/weaknesses/synthetic/` in recorded facts.
5. Run `script/reference`, which writes `docs/reference/checks.md`.

The modules are found by walking this package: there is no list to edit.
A check's id stays the same for ever, because archives and waivers name it.
"""
