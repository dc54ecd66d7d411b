"""A pytest plugin that tests the isolation of containers and virtual machines with one suite.

plugin.py      pytest's hooks; each one calls the module that does the work
fixtures.py    sandbox, peer, host_facts, sandbox_factory, machine
options.py     the command-line options and ini keys
cli.py         the command `isolation`
escape.py      makes text from a sandbox safe to print
session/       one run: observes the targets, judges the tests, writes the report
live/          sandboxes and machines that tests act in
observe/       creates the sandboxes of each target and observes each once
targets/       the columns of a run, and the conditions that hold for each
records/       what was observed of one target, and the view of it that a check reads
suite/         the bundled checks
walls/         what facts mean: pure functions of several checks
policy/        verdicts, judgements, profiles, waivers, documented exceptions, remedies
judge/         runs checks over archived records; the evidence of a cell
results/       results.json, and the notes on known flaws
report/        the matrix on the terminal, the HTML page
differential/  compares two runtimes over random configurations
reference/     pages of the reference, JSON Schemas
"""
