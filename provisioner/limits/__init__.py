"""Limits of a sandbox: what is asked for, set, shown, and in force under a load.

kinds/*.py    one module for each limit: name, unit, cgroup files or none, template values, load, facts, "in force"
limit.py      what a limit is, and how the modules are found
limits.py     the amounts that one sandbox is asked to keep  → Limits
cgroup.py     what is written into a cgroup to set one limit by hand
measured.py   the base models of cgroup files and loads, and arithmetic that limits share
starving.py   whether other work on the host kept a load from its limit
guard.py      whether the host survives a load if the limit does not hold
figures.py    allotted, shown, measured and overshoot of one limit, as people quote them
visible.py    what a sandbox is shown of memory and processors, and what run-times conclude from it
document.py   the models of all limits together, as facts documents and archives hold them

How to add a limit:
1. One module in kinds/ that defines `LIMIT`, an instance of a subclass of `Limit`.  It is then a keyword of `Limits`
   and `sandbox_factory`, a name that runtime.yaml may hold below `limits`, a section of the facts, and a load.
   Its load is a subclass of `LoadBase` of its own.
2. One check in plugins/pytest_isolation/suite/processes/test_limits.py that calls `judge_limit` with its name.
   CONTRIBUTING.md says what else a check needs: remedies and planted weaknesses.
3. `limits` in the roles/*/runtime.yaml of runtimes that have it; until then its check is not applicable there.
4. Its section in the probe's document: one table in provisioner/probe/limits/limits.c, or one file
   beside it.  Documents of older probes leave it unobserved; the probe of today must write it (tests/unit/facts).
5. `provisioner schemas` and script/reference write anew what is generated.

6. `used`: the most that its load came to.  Reports show it beside the amount, with the overshoot in per cent.

`why_not_in_force` is arithmetic on what was measured.  The verdict is the plugin's: ignored, refused, unknown.
"""
