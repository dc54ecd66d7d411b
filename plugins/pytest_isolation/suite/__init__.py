"""The bundled checks: plain pytest tests, each of which anyone can copy.

namespaces/   namespaces, users, network, and whether the inside and the outside view agree
privileges/   capabilities, no_new_privs, seccomp filters, security modules, Landlock
filesystem/   mounts, files of /proc and /sys, device nodes, the image
kernel/       interfaces of the shared kernel, clocks, keyrings, hardware
processes/    descriptors, environment, IPC, signals, limits
engine/       the engine and the management plane
machine/      guests and the hypervisor's process

A check asks for fixtures (`sandbox`, `peer`, `host_facts`) and asserts over their facts.
`pytest_isolation.walls` knows what facts mean, so that a check stays short.

How to add a check:

1. Write one function in the module of its area, or in a new `<area>/test_<name>.py`.
2. Mark it with `pytest.mark.isolation(id, severity=, profile=, refs=, gains=, remedy=, shows=, reproduce=)`.
   `pytest_isolation.policy.verdict.Check` explains the values.
   The first line of the docstring is the claim that users read.
3. Give each assert a message that names the cause.
4. Plant a weakness that the check must find: in tests/weaknesses/plants/ for a live sandbox,
   or in tests/weaknesses/synthetic/ for recorded facts.
5. Add its line to roles/*/remedies.yaml, and run `script/reference`, which writes docs/reference/checks.md.

pytest and `isolation` walk this package: there is no list to edit.
The id of a check never changes, because archives and waivers name it.
"""
