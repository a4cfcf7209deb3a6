"""The command line: parse, call, print."""

import io
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from bench.console import completion
from bench.console.options import (
    BatchFile,
    Datasets,
    Device,
    DryRun,
    Force,
    Grid,
    Jobs,
    Metrics,
    Models,
    OneDataset,
    OneOperator,
    Operators,
    OtherDatasets,
    OtherOperators,
    Protocol,
    RankBy,
    Results,
    RunName,
    Scheduler,
    ShownDataset,
    ShownOperator,
    Threads,
    Timeout,
    Trusted,
    folder,
    recipe_options,
)
from bench.errors import BenchError, Interrupted, UsageError, reason
from bench.plugins import plugin_line
from bench.text import printable

app = typer.Typer(
    name="bench",
    help="Baselines for inverse problems: forward operators x models, scored, timed and ranked.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Entry point of the command: errors become one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no such character, or text that is none, ends no command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get("_BENCH_COMPLETE") == "complete_bash":
        completion.join_words(os.environ)
    code: Any = 0
    try:
        _called()
    except KeyboardInterrupt:
        code = Interrupted.exit_code
    except SystemExit as end:
        code = end.code
    _over(code)
    sys.exit(code)


def _over(code: Any) -> None:
    """Have Ctrl-C end what takes down the imports, for a second, at once and without a traceback."""
    if code == Interrupted.exit_code:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _called() -> None:
    """The command that was typed."""
    try:
        app()
    except BenchError as error:
        place = plugin_line(error)
        _fail(str(error) if place in str(error) else f"{error} ({place})", error.exit_code)
    except MemoryError as error:
        _fail(reason(error), 1)
    except SystemExit as end:
        if place := plugin_line(end):
            _fail(f"{place}: called sys.exit({end.code!r}); it has to raise an error or return", 1)
        raise


def _fail(message: str, code: int) -> None:
    from bench.console.screen import errors

    _over(code)
    shown = escape(printable(message, lines=True))
    errors.print(f"[bold red]error:[/] {shown}", highlight=False, soft_wrap=True)
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        import bench

        print(f"invbench {bench.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Baselines for inverse problems: forward operators x models, scored, timed and ranked."""


@app.command()
@recipe_options
def run(
    file: Annotated[str | None, typer.Argument(help="A suite of your own: a .toml file.")] = None,
    operator: Operators = None,
    model: Models = None,
    suite: Annotated[str | None, typer.Option(help="paper, contrast, controls, or a .toml file.")] = None,
    dataset: Datasets = None,
    grid: Grid = None,
    train_size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COUNT",
            help="So many of the training images, or all; smaller sets lie in larger; repeatable.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="quick, or paper: 96x96, width 64, 35 epochs (quick).")
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="SEED", help="Training seed: weights, order, training noise; repeatable (0)."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, max=1000, help="That many: 0, 1, 2, ...")] = None,
    problem_seed: Annotated[int, typer.Option(help="Seed of key, masks and test noise.")] = 0,
    protocol: Protocol = None,
    metric: Metrics = None,
    device: Device = "auto",
    results: Results = Path("results"),
    force: Force = False,
    baselines: Annotated[bool, typer.Option(help="Also run the operator's floor and ceilings.")] = True,
    jobs: Jobs = 1,
    threads: Threads = None,
    timeout: Timeout = None,
    scheduler: Scheduler = None,
    cluster: BatchFile = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Have each epoch logged: tensorboard, or a .py file of your own; repeatable.",
        ),
    ] = None,
    recipe_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--recipe",
            metavar="FILE",
            help="Recipe that bench tune found, for the model it names; repeatable.",
        ),
    ] = None,
    tune: Annotated[
        int, typer.Option(min=0, help="First tune what can be tuned, each with so many trials.")
    ] = 0,
    trials: Annotated[
        int, typer.Option(min=0, help="Settings tried by hand before this one: counted in its budget.")
    ] = 0,
    dry_run: DryRun = False,
    **recipe: Any,
) -> None:
    """Run models on operators; the floor and the known ceilings of each operator run along.

    Examples:
      bench run --operator xor_ctr --model unet

      bench run -o xor_ctr+noise:sigma=0.01 -m unet -m attention_unet:width=32 --epochs 20

      bench run -o ./my_operator.py:strength=3 -m unet -d folder:path=my_images,size=64

      bench run --suite paper

      bench run my_suite.toml --dataset stl10 --preset paper

      bench run -o ct -m unet -m tv --grid ct.angles=15,30,60 --grid ct.sigma=0.005,0.02

      bench run -o denoising -m unet -d leaves --train-size 100 --train-size 1000 --train-size all

      bench run --suite contrast --seeds 5 --jobs 4 --threads 2 --dry-run
    """
    if seed and seeds:
        raise UsageError("give --seed (each by its number) or --seeds (how many), not both")
    from bench.runs.following import loggers
    from bench.runs.request import check_names, check_recipe
    from bench.sweeps.grid import Asked, crossed, grids
    from bench.sweeps.means import Means

    check_recipe(recipe)
    means = Means(jobs, threads, timeout, scheduler, cluster, loggers(log or ()))
    trainings = list(range(seeds)) if seeds else seed
    asked: dict[str, Any] = {
        "preset": preset, "device": device, "changes": recipe, "baselines": baselines,
        "problem_seed": problem_seed, "protocol": protocol, "metrics": metric or [],
        "trials": trials, "tuned": _found(recipe_file or []),
    }  # fmt: skip
    sizes, wanted = (list(map(_train_size, train_size)) if train_size else None), grids(grid or ())
    if file or suite:
        if operator or model or (file and suite):
            raise UsageError("give a suite, or --operator and --model, not both")
        from bench.console.runs import run_suite

        if len(dataset or ()) > 1:
            raise UsageError("a suite runs on one dataset beside those of its blocks; give one --dataset")
        chosen = {"dataset": next(iter(dataset or ()), None), "seeds": trainings, **asked}
        chosen |= {"train_sizes": sizes, "wanted": wanted}
        run_suite(file or suite or "", chosen, results, force, means, dry_run, tune)
        return
    if not model or not (operator or dataset):
        raise UsageError(
            "give --operator and --model (bench list shows them), as in "
            "bench run --operator xor_ctr --model unet; or --suite"
        )
    # Without an operator, the dataset's own.
    pairs = crossed(Asked(operator or [""], model, dataset or ["photos"]), wanted)
    check_names(*pairs, metric or [], preset or "quick", protocol)
    from bench.console.runs import run_pairs

    given = {k: v for k, v in asked.items() if v is not None} | {"seeds": trainings or [0]}
    given |= {"train_sizes": sizes or [None]}
    run_pairs(pairs, given, results, force, means, dry_run, tune)


def _found(files: list[Path]) -> list[Any]:
    """What recipe files say."""
    if not files:
        return []
    from bench import found

    return [found.read(path) for path in files]


def _train_size(text: str) -> int | None:
    """How many training images ``--train-size`` asks for; None for all."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f"--train-size is a number of images, or all, not {text!r}")
    return int(text)


@app.command("list")
def list_names(
    what: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.anything,
            help="operators, models, datasets, metrics, losses, optimizers, loggers, protocols; or a name.",
        ),
    ] = "all",
) -> None:
    """Show what there is, with one line each; or one thing whole: formula, parameters, shapes, reference.

    Examples:
      bench list

      bench list models

      bench list ct
    """
    from bench.console.component import listing
    from bench.console.screen import console

    for shown in listing(what):
        console.print(shown)


@app.command()
def fetch(
    dataset: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.datasets, help="name:key=value, as bench list datasets shows them."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
) -> None:
    """Download a dataset; what it is, its size, its licence and where it goes are shown before.

    It goes to the folder ``root``, or to ``datasets`` in the cache folder, which INVBENCH_CACHE moves. What
    was cut off is gone on with.

    Examples:
      bench fetch div2k

      bench fetch medmnist:name=bloodmnist,root=/data --yes
    """
    from bench.runs.request import check_names

    check_names([], [], [dataset])
    from bench.console import fetching

    parts = fetching.missing(dataset)
    for part in parts:
        for line in fetching.described(part):
            print(line)
    if not parts:
        print(f"all of {dataset} is here")
        return
    if any(part.archive or part.fetch for part in parts) and not yes:
        typer.confirm("download?", abort=True)
    for line in fetching.fetch(parts):
        print(line)


@app.command()
def check(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.checked,
            help="Operators or models: name:key=value, a+b, or a .py file.",
        ),
    ],
) -> None:
    """Hold operators and models to their contract, yours too; exit code 1 if one breaks a rule.

    Examples:
      bench check ct unet

      bench check ./my_operator.py:strength=3
    """
    from bench.runs.request import check_known

    check_known(names)
    from bench.console.screen import console
    from bench.console.tables import checks_table
    from bench.testing import check as checked

    failed = []
    for name in names:
        with console.status(f"checking {escape(name)}"):
            checks = checked(name)
        failed += [check for check in checks if not check.passed]
        console.print(checks_table(name, checks))
        console.print()
    if failed:
        raise BenchError(f"{len(failed)} {'rule is' if len(failed) == 1 else 'rules are'} broken")


@app.command()
def describe(
    operator: Annotated[
        str, typer.Argument(autocompletion=completion.operators, help="name:key=value, a+b, or a .py file.")
    ],
    dataset: OneDataset = "photos",
    seed: Annotated[int, typer.Option(help="Seed of the operator and its noise.")] = 0,
    results: Results = Path("results"),
) -> None:
    """Measure what an operator is like: continuity, locality, equivariance, linearity, conditioning.

    Examples:
      bench describe xor_ctr

      bench describe ct:angles=60+noise:sigma=0.02 -d ellipses
    """
    from bench.runs.request import check_names

    check_names([operator], [], [dataset])
    from bench.console.screen import console
    from bench.console.tables import certificate_table
    from bench.describe.certificate import certify
    from bench.describe.picture import store
    from bench.runs.assembly import problem_of

    with console.status("measuring"):
        problem, label = problem_of(operator, dataset, seed)
        certificate = certify(problem)
        paths = store(certificate, problem, label, results)
    console.print(certificate_table(label, certificate))
    console.print()
    console.print(certificate.summary, markup=False, highlight=False)
    for path in paths:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)


@app.command()
def leaderboard(
    results: Results = Path("results"),
    operator: ShownOperator = None,
    form: Annotated[
        str, typer.Option("--format", help="table; or csv, markdown, latex: printed, nothing is written.")
    ] = "table",
    readme: Annotated[
        Path | None, typer.Option(help="Write tables and figures into this Markdown file, between markers.")
    ] = None,
    rank_by: RankBy = "psnr",
    against: Annotated[
        str | None, typer.Option(help="Compare all others with this one method, named beforehand.")
    ] = None,
) -> None:
    """Rank all recorded runs, print the table, and write it with plots beside the runs.

    A rank is an interval: what the tests leave possible. With --against, one method is compared with
    each of the others, which needs fewer tests than all pairs.

    Examples:
      bench leaderboard

      bench leaderboard --against unet --rank-by ssim

      bench leaderboard --format latex --operator xor_ctr

      bench leaderboard --results leaderboard/published --readme docs/results.md
    """
    from bench.console.screen import console, errors
    from bench.leaderboard import export, find
    from bench.leaderboard.across import overall
    from bench.leaderboard.publish import publish
    from bench.leaderboard.readme import update
    from bench.leaderboard.scales import scale
    from bench.leaderboard.table import board
    from bench.leaderboard.terminal import overall_table, tables, transfer_table
    from bench.leaderboard.transfer import matrices

    with console.status("reading and comparing the runs"):
        whole = board(results, rank_by, against)
        shown = find.only(whole, operator) if operator else whole
    if whole.loaded.skipped:
        errors.print(whole.loaded.summary(), style="yellow", markup=False, highlight=False, soft_wrap=True)
    if form != "table":
        print(export.text(shown, form), end="")
        return
    for table in tables(shown, whole):
        console.print(table)
    if shown is whole and (summary := overall(whole.rankings)):
        console.print(overall_table(summary))
    for matrix in matrices((r.group for r in shown.rankings), scale(rank_by).name):
        console.print(transfer_table(matrix))
    if not whole.records:
        console.print(f"no runs in {results} yet; bench run records them", markup=False)
    with console.status("writing tables, plots and the page"):
        written = update(whole, results, readme) if readme else publish(whole, results)
    for path in written:
        console.print(str(path), markup=False, highlight=False, soft_wrap=True)


@app.command()
def compare(
    first: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.models, help="A method: its model's name, its label, or a run's name."
        ),
    ],
    second: Annotated[str, typer.Argument(autocompletion=completion.models, help="Another one.")],
    operator: ShownOperator = None,
    dataset: ShownDataset = None,
    results: Results = Path("results"),
    rank_by: RankBy = "psnr",
) -> None:
    """Compare two methods: the leaderboard's verdict with its interval, and the share of images won.

    The problem need not be named where one alone has both. A picture shows the stored images with both
    methods' errors, those first where they differ most.

    Examples:
      bench compare unet attention_unet

      bench compare unet tv --operator ct --dataset leaves
    """
    from bench.console.screen import console
    from bench.leaderboard import compare as comparing
    from bench.leaderboard import find
    from bench.leaderboard.table import board

    with console.status("comparing"):
        ranking = find.ranking(board(results, rank_by), operator, dataset, (first, second))
        methods = (find.method(ranking.group, name) for name in (first, second))
        duel = comparing.duel(ranking, *methods)
    print(comparing.text(duel))
    if duel.samples:
        print(comparing.write_picture(duel, results / "plots"))


@app.command()
def transfer(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN", autocompletion=completion.runs, help="Trained runs: names, or beginnings."
        ),
    ],
    operator: OtherOperators = None,
    dataset: OtherDatasets = None,
    grid: Grid = None,
    problem_seed: Annotated[
        list[int] | None,
        typer.Option(metavar="SEED", help="Of key, masks and test noise; repeatable (the run's)."),
    ] = None,
    protocol: Protocol = None,
    trust: Trusted = None,
    device: Device = "auto",
    results: Results = Path("results"),
    force: Force = False,
    jobs: Jobs = 1,
    threads: Threads = None,
    timeout: Timeout = None,
    scheduler: Scheduler = None,
    cluster: BatchFile = None,
    dry_run: DryRun = False,
) -> None:
    """Score trained runs on other operators, noise and datasets without training: the mismatch matrix.

    Each is a record of its own: a row of the problem that it is tested on, labelled by what it was trained
    on and never ranked with what was trained there. The weights stay in the run that was trained. As with
    verify, code and data that only the run names have to be named here with --trust.

    Examples:
      bench transfer 3f2a --operator ct:angles=15 --operator ct:angles=60

      bench transfer 3f2a 91bc -o denoising --grid denoising.sigma=0.05,0.1,0.2 -d photos -d leaves
    """
    from bench.console.transfer import Wanted, transfer_runs
    from bench.sweeps.grid import Asked, crossed, grids
    from bench.sweeps.means import Means

    asked = crossed(Asked(operator or [], [], dataset or []), grids(grid or ()))
    wanted = Wanted(asked.operators, asked.datasets, problem_seed or [], protocol, device, trust or [])
    transfer_runs(runs, wanted, results, force, Means(jobs, threads, timeout, scheduler, cluster), dry_run)


@app.command("tune")
def tune_model(
    model: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.models, help="name:key=value; what is given is left as it is."
        ),
    ],
    operator: OneOperator,
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Settings to try.")] = 20,
    dataset: OneDataset = "photos",
    preset: Annotated[str, typer.Option(help="quick, or paper.")] = "quick",
    epochs: Annotated[int | None, typer.Option(help="Of each trial (the preset's).")] = None,
    seed: Annotated[int, typer.Option(help="Training seed of all trials.")] = 0,
    device: Device = "auto",
    results: Results = Path("results"),
    jobs: Jobs = 1,
    threads: Threads = None,
    timeout: Timeout = None,
    scheduler: Scheduler = None,
    cluster: BatchFile = None,
) -> None:
    """Tune a model within the bounds it declares, by its score on the validation split alone.

    Writes the recipe found, which bench run --recipe takes, and a figure of score against trials.
    Killed or stopped, the same command goes on with the trials that are left.

    Example:
      bench tune unet --operator xor_ctr --trials 20
    """
    from bench.runs.request import check_names

    check_names([operator], [model], [dataset], preset=preset)
    from bench.console.tuning import tune_one
    from bench.runs.request import specify
    from bench.sweeps.means import Means

    changes = {"epochs": epochs}
    spec = specify(operator, model, dataset, preset=preset, seed=seed, device=device, changes=changes)
    tune_one(spec, trials, results, Means(jobs, threads, timeout, scheduler, cluster))


@app.command()
def merge(
    other: Annotated[Path, typer.Argument(parser=folder, metavar="OTHER_RESULTS", help="Their folder.")],
    results: Results = Path("results"),
) -> None:
    """Bring in the records of another results folder: each is checked, nothing is overwritten.

    Exit code 1: some are no sound records, or another record holds their place.

    Example:
      bench merge /media/cluster/results
    """
    from bench.runs.merge import merge as merged

    outcome = merged(other, results)
    print(outcome.text())
    if outcome.conflicts or outcome.refused:
        raise typer.Exit(1)


@app.command()
def show(
    run: RunName,
    operator: ShownOperator = None,
    dataset: ShownDataset = None,
    results: Results = Path("results"),
) -> None:
    """Show everything about one run.

    Examples:
      bench show 3f2a

      bench show unet --operator xor_ctr
    """
    from bench.leaderboard import find
    from bench.leaderboard import show as showing
    from bench.leaderboard.table import board

    whole = board(results)
    print(showing.text(whole, find.run(whole, run, operator, dataset)))


@app.command("time")
def time_runs(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...", autocompletion=completion.runs, help="Names, or their beginnings (all)."
        ),
    ] = None,
    trust: Trusted = None,
    results: Results = Path("results"),
) -> None:
    """Take the speeds of recorded runs again, one run after another, and put them in their records.

    For a machine that does nothing else: runs beside others, as under --jobs, are slower than alone. The
    stored model reconstructs test images on as many cores as then; scores and training times stay.

    Exit code 1: some could not be timed: no weights are stored, or it was on another machine.

    Examples:
      bench time

      bench time 3f2a unet
    """
    from bench.console.timing import time_again

    time_again(runs or (), results, trust or ())


@app.command()
def verify(
    run: RunName,
    trust: Trusted = None,
    results: Results = Path("results"),
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Train again, three times: do all scores lie in their spread?")
    ] = False,
) -> None:
    """Score the stored weights of a run again: data, operator and model are rebuilt from its record.

    Operators, models and images of this project need no word. Other code is imported, and other data
    opened, only if it is named here; a .py file is known by its content, wherever it lies.

    Exit code 0: verified. 1: something of the record is not so. 2: the run cannot be made again here,
    or names code or data that is not trusted.

    Examples:
      bench verify 3f2a

      bench verify 3f2a --retrain

      bench verify 3f2a --trust ./my_operator.py --trust my_images
    """
    from bench.console.screen import console
    from bench.leaderboard import find
    from bench.leaderboard.loading import load
    from bench.runs.verify import verify as verified

    record = find.run(load(results), run)
    if retrain:
        from bench.console.progress import training_bar
        from bench.runs.retrain import retrain as trained_again

        with training_bar(1) as bar:
            again = trained_again(record, trust or (), report=bar.step)
        print(again.text())
        if not again.agrees:
            raise typer.Exit(1)
        return
    with console.status("making the run's problem and model again, and scoring"):
        outcome = verified(record, trust or ())
    print(outcome.text())
    if not outcome.verified:
        raise typer.Exit(1)
