"""The workflow through a real SLURM, with the profile that users have: a node on this machine with two fake GPUs.

Both studies of a reduced smoke preset run once on this machine and once through SLURM, where one training is killed by
the scheduler on the way. Skipped, with the reason, where the node cannot be started.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import one_node
import pytest
import yaml
from checkout import REPOSITORY, Checkout, copy_of_repository
from safetensors import safe_open

pytestmark = pytest.mark.cluster

RESULTS = "results/reduced"
BASE = f"{RESULTS}/digits/base/model/diffusion_pytorch_model.safetensors"
STATE = f"{RESULTS}/state/digits/base.safetensors"
KILLED, STEPS = "rule_base_wildcards_reduced_digits", 10
# The profile as it is, without accounting, and for short jobs: the plugin looks for finished ones after so many
# seconds, and waits ten more each time that it finds none.
SUBMIT = [
    *("--workflow-profile", "profiles/slurm", "--configfile", "reduced.yaml", "--latency-wait", "5"),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "10"),
    *("--seconds-between-status-checks", "10"),
]
TRAININGS = {"base", "base_stable_diffusion", "unlearn", "unlearn_stable_diffusion"}
TRAININGS |= {"judge_train", "alignment", "detector", "attributes"}
ON_A_GPU = TRAININGS | {"sample", "embeddings", "training_images", "encode", "judge_data", "judging"}
ON_NONE = {"data", "sets", "measuring"}


@dataclass
class Job:
    """A job as the node saw it: what it asked for, the GPUs that it was given and those that its processes saw."""

    number: int
    comment: str
    fields: dict[str, str]
    begin: float = 0.0
    end: float = 0.0
    given: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """The rule, or the group."""
        names = [name for name in ON_A_GPU | ON_NONE if self.comment.startswith(f"rule_{name}_")]
        return max(names, key=len)


def jobs_of(node: Path) -> list[Job]:
    """All jobs that the node has run, from the scheduler's memory and the node's ledger, in the order of submission."""
    shown = subprocess.run(["scontrol", "-o", "show", "job"], capture_output=True, text=True, check=True).stdout
    told = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in shown.splitlines()]
    jobs = {int(one["JobId"]): Job(int(one["JobId"]), one["Comment"], one) for one in told if "Comment" in one}
    for line in (node / "ledger").read_text().splitlines():
        event, number, moment, gpus = line.split()
        job, some = jobs[int(number)], [] if gpus == "none" else gpus.split(",")
        if event == "prolog":
            job.begin, job.given = float(moment), some
        elif event == "epilog":
            job.end = float(moment)
        else:
            job.seen |= set(some)
    return sorted(jobs.values(), key=lambda job: job.number)


def write_reduced_preset(path: Path) -> None:
    """The smoke preset with the base and RGD of two studies, on any device, its images in several shards."""
    preset = yaml.safe_load((REPOSITORY / "workflow/presets/smoke.yaml").read_text())
    digits, shapes = preset["studies"]["digits"], preset["studies"]["shapes"]
    preset |= {"preset": "reduced", "studies": {"digits": digits, "shapes": shapes}}
    preset["compute"]["device"] = "auto"
    digits["sweeps"] = {}
    shapes["targets"] = {"stripes": shapes["targets"]["stripes"] | {"outside": [], "neighbours": {}}}
    for study, images in ((digits, 200), (shapes, 8)):
        study["variants"] = {name: study["variants"][name] for name in ("base", "rgd")}
        study["sampling"]["shard_images"] = images
    preset["artefacts"] = {
        "classes": {"study": "digits", "figure2": "rgd", "shown_target": 3},
        "text": {"study": "shapes", "content": "stripes", "published_as": {"stripes": "nudity"}},
    }
    path.write_text(yaml.safe_dump(preset, sort_keys=False))


def checkout_at(place: Path) -> Checkout:
    checkout = copy_of_repository(place)
    write_reduced_preset(place / "reduced.yaml")
    return checkout


@contextlib.contextmanager
def snakemake(checkout: Checkout, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake under way; interrupted, so that it cancels its jobs, when the block fails."""
    environment = checkout.environment | {"LETHE_STATE_SECONDS": "0"}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(["snakemake", *words], cwd=checkout.path, env=environment, **pipe)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=30)
            process.kill()


def submit(checkout: Checkout, *words: str, check: bool = True) -> str:
    with snakemake(checkout, *words, *SUBMIT) as process:
        told, _ = process.communicate(timeout=1200)
    assert not check or process.returncode == 0, told
    return told


@pytest.fixture(scope="session")
def node() -> Iterator[Path]:
    """The folder of a running node."""
    if Path("/dev/nvidia0").exists():
        pytest.skip("fake GPUs on a machine with real ones would be taken for those")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed (the extra `slurm`)")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        try:
            one_node.start(folder)
        except one_node.NotHereError as reason:
            pytest.skip(str(reason))
        yield folder
        one_node.stop(folder)


@pytest.fixture(scope="session")
def on_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the run without SLURM."""
    checkout = checkout_at(tmp_path_factory.mktemp("local") / "lethe")
    with snakemake(checkout, "table1", "table2", "--cores", "2", "--configfile", "reduced.yaml") as process:
        told, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, told
    return checkout.path


@pytest.fixture(scope="session")
def on_slurm(node: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the run through SLURM, in which the training of a base is cancelled on the way.

    The trainings ask for their GPU by --gres, the other jobs by --gpus.
    """
    checkout = checkout_at(tmp_path_factory.mktemp("slurm") / "lethe")
    by_gres = r"(?s)(&training.*?)# gpu: 0\n    # gres"
    checkout.edit("profiles/slurm/profile.yaml", lambda text: re.sub(by_gres, r"\1gpu: 0\n    gres", text, count=1))
    with snakemake(checkout, "table1", "table2", *SUBMIT) as process:
        cancel_in_the_middle(node, checkout.path / STATE, process)
        told, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, told
    return checkout.path


def cancel_in_the_middle(node: Path, state: Path, process: subprocess.Popen[str]) -> None:
    """Cancel the training of KILLED when its state, written at every step, has STEPS steps."""
    limit = time.monotonic() + 600
    while steps_done(state) < STEPS:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < limit, "the training has written no state"
        time.sleep(0.01)
    (job,) = (job for job in jobs_of(node) if job.comment == KILLED)
    subprocess.run(["scancel", str(job.number)], check=True)


def steps_done(state: Path) -> int:
    if not state.is_file():
        return 0
    with safe_open(str(state), framework="numpy") as stream:
        return int(stream.metadata()["step"])


@pytest.fixture(scope="session")
def jobs(node: Path, on_slurm: Path) -> list[Job]:
    assert on_slurm.is_dir()
    return jobs_of(node)


def test_the_tables_are_those_of_a_run_without_slurm_byte_for_byte(on_this_machine, on_slurm):
    tables = sorted(path.name for path in (on_this_machine / RESULTS / "tables").iterdir())
    assert {"table1.md", "table2.md"} <= set(tables)
    for name in tables:
        place = f"{RESULTS}/tables/{name}"
        assert (on_slurm / place).read_bytes() == (on_this_machine / place).read_bytes(), name


def test_every_job_with_a_network_held_one_gpu_and_the_others_none(jobs):
    assert {job.kind for job in jobs} == ON_A_GPU | ON_NONE, "every stage went through SLURM"
    for job in jobs:
        assert len(job.given) == (1 if job.kind in ON_A_GPU else 0), job.comment
        assert job.seen == set(job.given), f"{job.comment}: what its processes see is what it was given"


def test_both_ways_to_ask_for_a_gpu_were_used(jobs):
    for job in jobs:
        asked = {name: job.fields[name] for name in ("TresPerNode", "TresPerJob") if name in job.fields}
        expected = {"TresPerNode": "gres:gpu:1"} if job.kind in TRAININGS else {"TresPerJob": "gres:gpu:1"}
        assert asked == (expected if job.kind in ON_A_GPU else {}), job.comment


def test_no_gpu_ever_had_two_jobs_and_both_were_used(jobs):
    for gpu in ("0", "1"):
        held = sorted((job.begin, job.end, job.comment) for job in jobs if gpu in job.given)
        assert len(held) > 5
        for (_, end, first), (begin, _, second) in pairwise(held):
            assert end <= begin, f"GPU {gpu} was held by {first} and {second} at once"


def test_an_image_set_was_drawn_by_several_jobs(jobs, on_slurm):
    for place in ("digits/any/base", "shapes/stripes/rgd"):
        shards = {path.stem for path in (on_slurm / RESULTS / place / "seed0/images").glob("shard*")}
        study, target, variant = place.split("/")
        drawn = [job for job in jobs if f"sample_wildcards_reduced_{study}_{target}_{variant}_0_" in job.comment]
        assert len(drawn) == len(shards) > 1


def test_the_many_small_jobs_were_submitted_together(jobs):
    assert len([job for job in jobs if job.kind == "judging"]) == 1
    assert len([job for job in jobs if job.kind == "measuring"]) == 1


def test_a_cancelled_training_was_submitted_anew_and_went_on_where_it_was(jobs, on_this_machine, on_slurm):
    first, second = (job for job in jobs if job.comment == KILLED)
    assert (first.fields["JobState"], second.fields["JobState"]) == ("CANCELLED", "COMPLETED")
    asked = [int(job.fields["MinMemoryNode"].removesuffix("M")) for job in (first, second)]
    assert asked[0] * 2 - 1 <= asked[1] <= asked[0] * 2 + 1, "the second attempt has twice the memory"
    going_on = re.search(
        r"going on after step (\d+) of (\d+)", (on_slurm / RESULTS / "logs/digits/base.log").read_text()
    )
    assert going_on is not None
    assert STEPS <= int(going_on[1]) < int(going_on[2])
    assert (on_slurm / BASE).read_bytes() == (on_this_machine / BASE).read_bytes()
    assert not (on_slurm / STATE).exists(), "the state is removed at the end"


def test_a_request_that_no_node_can_serve_is_refused(node, tmp_path):
    checkout = checkout_at(tmp_path / "lethe")
    words = ["--set-resources", f"data:gpu={one_node.GPUS + 1}", "--retries", "0"]
    told = submit(checkout, f"{RESULTS}/digits/data/train.safetensors", *words, check=False)
    assert "Requested node configuration is not available" in told
    assert not (checkout.path / RESULTS / "digits/data/train.safetensors").exists()
