"""The command `isolation`: judges archived records, draws reports again, lists checks, compares runtimes.

In: the command line.
Out: lines, files, and an exit status: 0, 1 if there is a finding, 4 for a usage error (as pytest's).  Only `diff`
creates sandboxes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pytest
import typer

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest_and_list
from provisioner.version import add_version

if TYPE_CHECKING:
    from pytest_isolation.results.model import Results

FINDING = 1
USAGE = 4
CLICK_USAGE = 2
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="show also why cells are documented or not applicable")]

app = typer.Typer(
    help="Judge and show what pytest --isolation observed, later and on any machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
add_version(app, "isolation")


@app.command()
def judge(
    files: Annotated[list[Path], typer.Argument(help="archived records: DIR/facts/*.json")],
    profile: Annotated[str, typer.Option(help="the profile that must hold, such as baseline@1; default: none")] = "",
    waivers: Annotated[Path | None, typer.Option(help="a file of waivers (accepted findings): isolation.yaml")] = None,
    report: Annotated[
        Path | None, typer.Option(help="a folder to write facts/, results.json and index.html to")
    ] = None,
    checks: Annotated[
        list[Path] | None, typer.Option(help="a module of your own checks to run too; may be repeated")
    ] = None,
    expected: Annotated[
        Path | None,
        typer.Option(help="a file of the documented exceptions of your own checks: isolation-expected.yaml"),
    ] = None,
    ignore_settings: Annotated[
        bool, typer.Option(help="judge by the options given here alone, and with every check of the suite")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """
    Judge archived records with the bundled suite and your own checks.  Exits with 1 if there is a finding.

    The profile, the waivers, the exceptions and the checks are those of the run, unless an option names others.
    """
    from pytest_isolation.judge.judge import check_ids, judge_files
    from pytest_isolation.judge.own import own_checks
    from pytest_isolation.policy.archived import NAME, PolicyFile, dump_policy, load_policy
    from pytest_isolation.policy.verdict import is_node_id
    from pytest_isolation.session.inputs import check_files, read_file, read_policy

    run = PolicyFile() if ignore_settings else load_policy(files)
    own = [function for module in checks or () for function in own_checks(module)]
    file = read_file(waivers) if waivers else run
    policy = read_policy(profile or run.profile, file.waivers, expected, run.expected, file.accepted)
    known = {one.partition("[")[0] for one in run.own} | check_ids(own)
    check_files(policy, known, waivers=waivers is not None, expected=expected)
    archived = [path for path in files if path.name != NAME]  # a shell's facts/* names the settings too
    results, records = judge_files(archived, policy, own, run.checks)
    for name in sorted({one.partition("[")[0] for one in run.own if not is_node_id(one)} - check_ids(own)):
        typer.echo(f"not judged: {name}, a check of your own; name its module: --checks FILE", err=True)
    if report is not None:
        from pytest_isolation.report.folder import write_report

        write_report(report, records, results, clean=False, policy=dump_policy(policy, run.checks, check_ids(own)))
    _print(results, verbose)
    if results.findings():
        raise typer.Exit(FINDING)


@app.command()
def report(
    directory: Annotated[
        Path, typer.Argument(help="the folder that pytest --isolation-report=DIR wrote, or a results.json")
    ],
    verbose: Verbose = False,
) -> None:
    """Draw the matrix and the HTML page of a results.json again."""
    from pytest_isolation.report.folder import draw_again
    from pytest_isolation.results.model import load_results

    results = load_results(directory)
    draw_again(directory if directory.is_dir() else directory.parent, results)
    _print(results, verbose)


@app.command("limits")
def limits_(
    files: Annotated[
        list[Path], typer.Argument(help="the folder of a report, a results.json, or archived records: DIR/facts/*.json")
    ],
) -> None:
    """
    Print each limit on each target: allotted, shown, measured, by how much it was exceeded, and what set it.

    Below it: what each sandbox sees of memory and processors beside what it may use.
    """
    from provisioner.cli.table import print_table
    from pytest_isolation.judge.again import results_from
    from pytest_isolation.results.limits import HEADINGS, table_rows
    from pytest_isolation.results.visible import visible_tables

    results = results_from(files)
    rows = table_rows(results)
    print_table(HEADINGS, rows)
    for headings, seen in visible_tables(results):
        typer.echo()
        print_table(headings, seen)
    if not rows:
        typer.echo("no limit was put under load: run pytest --isolation=container --isolation-check='lim.*'", err=True)


@app.command("network")
def network_(
    files: Annotated[
        list[Path], typer.Argument(help="the folder of a report, a results.json, or archived records: DIR/facts/*.json")
    ],
) -> None:
    """Print who reached whom on each target, by which protocols; "+tcp" only after the packet filter was cleared."""
    from provisioner.cli.table import print_table
    from pytest_isolation.judge.again import results_from
    from pytest_isolation.results.networks import headings, rows_of

    networks = results_from(files).networks
    for network in networks:
        typer.echo(f"{network.target}: {network.tries} tries in {network.seconds:.2f} s")
        print_table(headings(), rows_of(network))
    if not networks:
        typer.echo("no network was tried: run pytest --isolation=container --isolation-network", err=True)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def init(
    context: typer.Context,
    report: Annotated[
        Path | None, typer.Option(help="take the state of this folder, which --isolation-report=DIR wrote; run nothing")
    ] = None,
    output: Annotated[Path, typer.Option(help="the file to write; run it in the root folder of the tests")] = Path(
        "isolation.yaml"
    ),
) -> None:
    """
    Write isolation.yaml: the targets by name, and today's state as the accepted one.

    All further arguments are pytest's: isolation init --isolation-run='web=docker run me/app'.
    The next run tells what was lost or gained since.
    """
    from pytest_isolation.session.init import observe_state, write_state

    if report is not None and context.args:
        raise IsolationError(f"cannot use --report with '{context.args[0]}': with a report nothing is run")
    for line in write_state(report, output) if report else observe_state(context.args, output):
        typer.echo(line)


@app.command("filter")
def filter_(
    files: Annotated[list[Path], typer.Argument(help="archived records: DIR/facts/*.json")],
    every: Annotated[bool, typer.Option("--all", help="list also the calls that every ABI allows")] = False,
) -> None:
    """Show the installed seccomp filter: each system call with its number and answer in each ABI."""
    from pytest_isolation.escape import escape
    from pytest_isolation.judge.filters import filter_table
    from pytest_isolation.records.read import load_record

    for file in files:
        for line in filter_table(load_record(file), every):
            typer.echo(escape(line))


@app.command()
def checks(
    names: Annotated[list[str] | None, typer.Argument(help="checks to describe; default: list all checks")] = None,
) -> None:
    """List the checks of the bundled suite, or describe some of them."""
    from pytest_isolation.judge.judge import suite_checks
    from pytest_isolation.policy.remedies import remedies_by_runtime
    from pytest_isolation.policy.verdict import check_of
    from pytest_isolation.reference.checks import describe_check, list_checks
    from pytest_isolation.results.known import bundled, by_check

    known = {check.id: check for check in (check_of(function) for function in suite_checks())}
    lost = by_check(bundled())
    if not names:
        for line in list_checks(known.values()):
            typer.echo(line)
    for name in names or ():
        if name not in known:
            raise IsolationError(
                f"cannot find check '{name}'", suggest_and_list(name, known, "`isolation checks` lists all")
            )
        typer.echo("\n".join(describe_check(known[name], lost.get(name, ()), remedies_by_runtime().get(name))))


@app.command("known")
def known_(
    names: Annotated[list[str] | None, typer.Argument(help="flaws to describe; default: list all known flaws")] = None,
    runtime: Annotated[str, typer.Option(help="list only flaws of the components of this runtime")] = "",
) -> None:
    """List known flaws: the affected versions, and the check that shows the sign of each."""
    from provisioner.cli.table import print_table
    from provisioner.runtimes.load import load_runtime
    from pytest_isolation.reference.checks import KNOWN_HEADINGS, describe_known, known_rows
    from pytest_isolation.results.known import bundled, components_of

    components = components_of(load_runtime(runtime)) if runtime else None
    listed = [one for one in bundled() if components is None or one.component in components]
    if not names:
        print_table(KNOWN_HEADINGS, known_rows(listed))
    for name in names or ():
        found = [one for one in listed if one.id == name]
        if not found:
            ids = [one.id for one in listed]
            raise IsolationError(
                f"cannot find known flaw '{name}'", suggest_and_list(name, ids, "`isolation known` lists all")
            )
        for one in found:
            typer.echo("\n".join(describe_known(one)))


@app.command()
def diff(
    runtime: Annotated[list[str], typer.Option(help="a runtime that reads config.json; give this option twice")],
    config: Annotated[str, typer.Option(help="gen:N for N random configurations")] = "gen:100",
    seed: Annotated[int, typer.Option(help="the seed of the first configuration")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="a folder to write the smallest config.json of each difference to")
    ] = None,
) -> None:
    """Compare the walls of two runtimes over random configurations.  Exits with 1 if they differ."""
    from pytest_isolation.differential.command import compare

    if compare(runtime, config, seed, keep, typer.echo):
        raise typer.Exit(FINDING)


@app.command()
def schemas(
    directory: Annotated[
        Path | None, typer.Argument(help="where to write; default: the package's own folder, in a checkout")
    ] = None,
) -> None:
    """Write the JSON Schemas of results.json, isolation.yaml, the files of roles and the known flaws."""
    from provisioner.files.schemas import schemas_folder, write_schemas
    from pytest_isolation.reference.schemas import DIRECTORY, MODELS

    for path in write_schemas(MODELS, schemas_folder(directory, DIRECTORY)):
        typer.echo(str(path))


def _print(results: Results, verbose: bool) -> None:
    from provisioner.terminal import takes_unicode
    from pytest_isolation.report.spans import write_lines
    from pytest_isolation.report.terminal import draw

    width = shutil.get_terminal_size().columns
    write_lines(_Out(), draw(results, width, takes_unicode(sys.stdout.encoding), verbosity=int(verbose)))


class _Out:
    """Writes spans to standard output, in colour on a terminal; NO_COLOR and FORCE_COLOR count."""

    def write(self, content: str, *, flush: bool = False, **markup: bool) -> None:
        colour = next((name for name in markup if name in ("red", "green", "yellow", "cyan")), None)
        typer.secho(content, nl=False, fg=colour, bold="bold" in markup or None, dim="light" in markup or None)

    def line(self, msg: str = "", **kw: bool) -> None:
        typer.echo(msg)


def main() -> None:
    """Run the command; the caller reports errors.  Wrong usage is exit status 4."""
    try:
        app()
    except pytest.UsageError as error:
        raise IsolationError(str(error)) from None
    except SystemExit as done:
        sys.exit(USAGE if done.code == CLICK_USAGE else done.code)
