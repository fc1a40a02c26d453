"""How good the forecast of a run's end is: replays a finished run and compares at 25, 50 and 75 % of its time.

    python benchmarks/eta.py results/miniature/benchmarks [--preset miniature] [--earlier OTHER/benchmarks] [--jobs 2]

A benchmark file has the seconds that a job took, and it was written when the job ended: its time of change must be that
of the run (a copy with ``cp -a`` is). With ``--preset`` the model of ``lethe.costs`` is asked, as in a first run; with
``--earlier`` the forecast knows the benchmark files of another run, as in a second run. The same code forecasts as in a
run.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lethe.config.reading import read_preset
from lethe.costs.cards import CARDS
from lethe.costs.seconds import seconds_of_jobs
from lethe.plan import Plan
from lethe.watch.forecast import Forecast, Ledger
from lethe.watch.progress import Job, Progress
from lethe.watch.state import PATIENCE

RULES = Path(__file__).resolve().parents[1] / "workflow/rules"
WHEN = (0.1, 0.25, 0.5, 0.75, 0.9)


class Run(NamedTuple):
    """One job as it was: ``place`` of its benchmark file below the folder; start and end in seconds."""

    place: str
    rule: str
    start: float
    end: float


class Replayed(NamedTuple):
    """At ``share`` of the whole time: seconds that were said to be left, and that were."""

    share: float
    said: float | None
    left: float
    unmeasured: int


def rules_by_pattern() -> list[tuple[re.Pattern[str], str]]:
    """The rule whose benchmark pattern a file fits, from the rule files; of rules that share one, the first."""
    found = []
    for path in sorted(RULES.glob("*.smk")):
        for block in re.split(r"\n(?=rule )", path.read_text(encoding="utf-8")):
            name, place = re.match(r"rule (\w+):", block), re.search(r'benchmark:\n\s+f?"([^"]+)"', block)
            if name and place:
                pattern = place[1].partition("/benchmarks/")[2]
                found.append((re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(pattern))), name[1]))
    return found


def read_runs(folder: Path) -> list[Run]:
    """All jobs below ``folder``, in the order of their starts."""
    patterns = rules_by_pattern()
    runs = []
    for path in folder.rglob("*.jsonl"):
        record = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        place, end = str(path.relative_to(folder)), path.stat().st_mtime
        fitting = (rule for pattern, rule in patterns if pattern.fullmatch(place))
        rule = record.get("rule_name") or next(fitting, Path(place).stem)
        runs.append(Run(place, rule, end - record["s"], end))
    return sorted(runs, key=lambda run: run.start)


def replay(
    runs: Sequence[Run], earlier: Ledger, jobs: int, shares: Sequence[float] = WHEN, model: Ledger | None = None
) -> list[Replayed]:
    """What the forecast says at each share of the run's time; ``model``: what it learns once it has run for a while."""
    begin, end = min(run.start for run in runs), max(run.end for run in runs)
    progress = Progress(Counter(run.rule for run in runs), begin)
    forecast = Forecast(progress, jobs, earlier)
    moments = [(run.start, 1, number) for number, run in enumerate(runs)]
    moments += [(run.end, 0, number) for number, run in enumerate(runs)]
    asked = [(begin + share * (end - begin), 2, number) for number, share in enumerate(shares)]
    answers = []
    learning = [(begin + PATIENCE, 3, 0)] if model else []
    for now, kind, number in sorted(moments + asked + learning):
        if kind == 3:
            forecast.learn(model)
        elif kind == 2:
            left = forecast.left(now)
            said = (None, 0) if left is None else (left.seconds, left.unmeasured)
            answers.append(Replayed(shares[number], said[0], end - now, said[1]))
        elif kind == 1:
            job = Job(number, runs[number].rule, runs[number].place, now, benchmark=runs[number].place)
            progress.start(job)
            forecast.start(job)
        else:
            forecast.finish(progress.finish(number), now)
    return answers


def ledger_of(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    ledger: dict[str, dict[str, float]] = {}
    for run in runs:
        ledger.setdefault(run.rule, {})[run.place] = run.end - run.start
    return ledger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results/NAME/benchmarks of a run that was made in one go")
    parser.add_argument("--earlier", type=Path, help="the benchmark files of an earlier run")
    parser.add_argument("--jobs", type=int, default=2, help="how many jobs could run at a time [2]")
    parser.add_argument("--preset", help="the preset that it was a run of: a name, or a config file")
    arguments = parser.parse_args()
    runs, model = read_runs(arguments.folder), None
    if arguments.preset:
        plan = Plan(read_preset([arguments.preset]))
        told = seconds_of_jobs(plan, CARDS["cpu" if plan.config.compute.gpus == 0 else "a100"])
        model = {
            rule: {file.partition("/benchmarks/")[2]: time for file, time in of.items()} for rule, of in told.items()
        }
        rules = {place: rule for rule, of in model.items() for place in of}
        runs = [run._replace(rule=rules.get(run.place, run.rule)) for run in runs]
    rule_of = {run.place: run.rule for run in runs}
    before = read_runs(arguments.earlier) if arguments.earlier else []
    earlier = ledger_of([run._replace(rule=rule_of.get(run.place, run.rule)) for run in before])
    print(f"{len(runs)} jobs in {max(run.end for run in runs) - min(run.start for run in runs):.0f} s")
    print("| of the time | said to be left, s | left, s | error | jobs of a kind not yet measured |")
    print("|---|---|---|---|---|")
    for answer in replay(runs, earlier, arguments.jobs, model=model):
        said = "-" if answer.said is None else f"{answer.said:.0f}"
        error = "" if answer.said is None else f"{answer.said / answer.left - 1:+.0%}"
        print(f"| {answer.share:.0%} | {said} | {answer.left:.0f} | {error} | {answer.unmeasured} |")


if __name__ == "__main__":
    main()
