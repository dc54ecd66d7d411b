"""A harness for faults: real runs of our programs, a fault at a named moment, and what must hold after it.

    home      a home of its own for a program: cache, run folder, tests of a user, stand-ins for programs on PATH
    running   a started program: its output, its journal, its processes; signals and waiting with a bound
    phases    the moments of a run, recognised from outside: `PHASES`
    strikes   what is done at such a moment: `STRIKES`
    world     what exists on this machine because of a home: `World.now(home)`, `difference(before, after)`
    promise   what holds after the end and after one `provisioner prune`
    case      a phase, a strike and a promise; `run_case` tries it
    table     the cases of test_table.py
    environments   what a machine does not allow, for test_environments.py
    machines       the moments of the commands for a machine, for test_machines.py
    racer     another user who swaps an entry for a link while root works on it, for test_root_*.py

How to write a test in it:

    def test_a_hanging_podman_is_ended_with_ctrl_c(home: Home) -> None:      # `home` is a fixture of conftest.py
        home.stand_in("podman", " load ", "hang")       # on PATH: `podman … load …` hangs, all else is the real one
        home.write_test(ANSWERS)                        # the test of a user
        before = World.now(home)
        with home.start(session("podman")) as program:  # or provisioner("prune"), or any argument list
            program.await_(lambda: home.reached("podman"), "podman load hangs")
            program.send("INT")
            program.finish(15)                          # an AssertionError if it takes longer
        assert program.broken({2, 130}) == []           # exit status; no traceback in its output
        home.release()                                  # stand-ins hang no more
        home.prune()
        assert difference(before, World.now(home)) == []

or, where phase and strike are already there, one line in the table:

    Case("pytest", "create/unshare", "INT INT", Promise(seconds=15, statuses={2, 130}))

A slow test, or one that another test stands for, carries `@wide` (case.py): `faults-wide` and `faults-table` run it.
All that a test started is ended by its own id when the fixture ends, even if the test failed.
"""
