"""How the documented commands are tried: what is made small in them, and which of them another test runs.

Here is the one place to look at when a document says something new. Each command is run as it is written, in a checkout
whose presets are all the smoke preset, finished (``tests/workflow/test_documented_commands.py``), but for

- those below a ``<!-- needs ... -->`` comment (``tests/documented.py``);
- those in ``RUN_BY``, which name the test that runs them.

Words that only the reader can fill in, and names that the smoke preset lacks, are replaced by ``SUBSTITUTIONS``.
"""

from __future__ import annotations

import re
from pathlib import Path

from documented import Command, commands_of

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "docs/*.md", "profiles/README.md")
# The newcomer's path is walked as a whole, in its order: tests/workflow/test_start.py.
IN_ORDER = "docs/start.md"

# What stands in a document (a regular expression), and what is run instead; one after the other.
SUBSTITUTIONS: tuple[tuple[str, str], ...] = (
    (r"\bresults/(miniature|doco|laboratory|paper|lite|NAME)\b", "results/smoke"),
    (r"\bworkflow/presets/\w+\.yaml", "workflow/presets/smoke.yaml"),
    (r"\bPRESET=(doco|laboratory|paper|lite|NAME|\.\.\.)", "PRESET=smoke"),
    (r"--preset (paper|lite|NAME)\b", "--preset smoke"),
    (r"(--cores all) NAME\b", r"\1 table1"),
    (r"--card \w+", "--card h100"),
    (r"--output FILE\b", "--output again.html"),
    (r"--output FOLDER\b", "--output exports/again"),
    (r"--configfile NAME\b", "--configfile smoke"),
    (r"--model results/\.\.\.", "--model results/smoke/shapes/stripes/rgd/seed0"),
    (r"/path/to/another/run/", ""),
    # The archive that comes with Lethe is the miniature's.
    (r"\bfrom_published=true\b", "from_published=results/smoke/published.zip"),
    # Commands that are only named in a sentence, without what they cannot do without.
    (r"^make plan$", "make plan PRESET=smoke"),
    (r"^make compare$", "make compare A=results/smoke B=results/smoke"),
    (r"^python -m lethe.compare A B$", "python -m lethe.compare results/smoke results/smoke"),
    (r"^python -m lethe.usage$", "python -m lethe.usage results/smoke/benchmarks"),
    # One of a user's own profiles; the number of cores is in none of ours.
    (r"--workflow-profile FOLDER\b", "--workflow-profile profiles/default --cores all"),
    # The ellipsis of a path that is too long for its line.
    (r"(?<= )\.\.\./(?=\w+/seed0/)", "results/smoke/digits/3/"),
    # The concept that a reader adds is added in tests/workflow/test_own_concept.py.
    (r"\bshapes/red/", "shapes/stripes/"),
    # A target that is written without the number of cores.
    (r"^snakemake (?=[a-z]\w*$)", "snakemake --cores all "),
    (r"^snakemake --unlock$", "snakemake --unlock --cores all"),
)

_PUBLISHED = (
    "tests/workflow/test_published.py::test_everything_is_drawn_from_the_committed_records_and_nothing_computed",
    '"tables", "figures", "--config", "from_published=true"',
)
# The test that runs a command (or the script that continuous integration is), and words that its file must have.
RUN_BY: dict[str, tuple[str, ...]] = {
    "make test": (".ci/run", "make test "),
    "make test-cluster": (".ci/run", "make test-cluster"),
    "make test PYTEST=tests/conformance": (
        "tests/workflow/test_add_a_method.py::test_documented_example",
        '"tests/conformance"',
    ),
    "make test PYTEST=tests/unit/test_metrics.py": (
        "tests/workflow/test_add_a_metric.py::test_documented_example",
        '"tests/unit/test_metrics.py"',
    ),
    "make reproduce PROFILE=slurm PRESET=NAME": (
        "tests/cluster/test_slurm.py::test_the_tables_are_those_of_a_run_without_slurm_byte_for_byte",
        '"--workflow-profile", "profiles/slurm", "--configfile"',
    ),
    "snakemake --workflow-profile profiles/slurm --configfile workflow/presets/NAME.yaml": (
        "tests/cluster/test_slurm.py::test_the_tables_are_those_of_a_run_without_slurm_byte_for_byte",
        '"--workflow-profile", "profiles/slurm", "--configfile"',
    ),
    "make reproduce PROFILE=NAME": (
        "tests/unit/test_packaging.py::test_a_profile_says_itself_how_much_may_run",
        '"reproduce"',
        '"PROFILE=slurm"',
    ),
    "snakemake --cores all table2 figure4 tradeoff_text --configfile mine.yaml": (
        "tests/workflow/test_evaluation_only.py::test_an_imported_model_is_measured_as_the_row_that_it_was",
        '"theirs"',
        '"table2"',
        "over_it",
    ),
    # One of the figures, and all of them.
    "snakemake --cores all figure4 --config from_published=true": _PUBLISHED,
    "snakemake --cores all tables figures --config from_published=true": _PUBLISHED,
    # All of it takes a minute.
    "python -m lethe.memory --output docs/memory.md": (
        "tests/unit/test_memory.py::test_the_document_is_in_step",
        'memory._rows("sd14", "rgd")',
    ),
}


def documented() -> list[Command]:
    """Every command of every document."""
    paths = sorted(path for pattern in DOCUMENTS for path in REPOSITORY.glob(pattern))
    return [command for path in paths for command in commands_of(path, str(path.relative_to(REPOSITORY)))]


def made_small(text: str) -> str:
    """The command that is run for a documented one."""
    for pattern, replacement in SUBSTITUTIONS:
        text = re.sub(pattern, replacement, text)
    return text


def to_be_run() -> dict[str, list[Command]]:
    """What is run, and the documented commands that it is run for; in the order of the documents."""
    runs: dict[str, list[Command]] = {}
    for command in documented():
        if not command.needs and command.text not in RUN_BY and command.file != IN_ORDER:
            runs.setdefault(made_small(command.text), []).append(command)
    return runs
