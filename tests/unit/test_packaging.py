"""The pins, what is derived from them, the commands of the Makefile, and the default profile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EVERY_DEPENDENCY = [*PYPROJECT["dependencies"], *chain(*PYPROJECT["optional-dependencies"].values())]
SUPPORTED_PYTHONS = ("3.11.7", "3.12.1", "3.13.0")


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command away from the settings that an outer make or pytest hands down."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def constraints() -> list[Requirement]:
    lines = (ROOT / "envs/constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(words) for line in lines if (words := line.partition("#")[0].strip())]


def environment_of(python: str, platform: str = "linux", machine: str = "x86_64") -> dict[str, str]:
    return {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "sys_platform": platform,
        "platform_machine": machine,
    }


@pytest.mark.parametrize("python", SUPPORTED_PYTHONS)
@pytest.mark.parametrize("line", EVERY_DEPENDENCY)
def test_every_dependency_has_one_fitting_pin(line: str, python: str) -> None:
    wanted = Requirement(line)
    pins = [
        pin
        for pin in constraints()
        if canonicalize_name(pin.name) == canonicalize_name(wanted.name)
        and (pin.marker is None or pin.marker.evaluate(environment_of(python)))
    ]
    assert len(pins) == 1, f"{wanted.name} on Python {python}: {pins}"
    (specifier,) = pins[0].specifier
    assert specifier.operator == "=="
    assert wanted.specifier.contains(specifier.version)


def test_pins_hold_for_a_machine_without_cuda() -> None:
    """A CPU build, which carries a local version label, satisfies the pin; CUDA's wheels are Linux's."""
    (torch,) = (pin for pin in constraints() if pin.name == "torch")
    (specifier,) = torch.specifier
    assert torch.specifier.contains(f"{specifier.version}+cpu")
    for pin in constraints():
        if pin.name.startswith(("nvidia-", "cuda-", "triton")):
            assert pin.marker is not None
            assert not pin.marker.evaluate(environment_of("3.11.7", "darwin", "arm64")), str(pin)


def test_derived_files_are_in_step() -> None:
    outcome = run(sys.executable, "envs/generate.py", "--check")
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("envs/constraints.txt", "safetensors==", "safetensors==0.0.", "asks for safetensors"),
        ("envs/constraints.txt", "\npydantic==", "\nunpydantic==", "does not pin pydantic"),
        ("envs/constraints.txt", "\ntorch==2", "\ntorch==3", "holds torch"),
        ("envs/cpu.yaml", "numpy==", "numpy==9", "numpy==9"),
        ("envs/apptainer.def", "Version ", "Version 9", "Version 9"),
        ("pyproject.toml", '"tqdm>=', '"tqdm>=99', "asks for tqdm"),
        ("envs/constraints.txt", "\nzipp==", "\nunasked==1  # via nobody\nzipp==", "unasked, which nothing"),
    ],
)
def test_drift_is_noticed(tmp_path: Path, file: str, old: str, new: str, complaint: str) -> None:
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    outcome = run(sys.executable, "envs/generate.py", "--check", cwd=tmp_path)
    assert outcome.returncode == 1
    assert complaint in outcome.stderr


def test_conda_environment_is_the_pinned_runtime() -> None:
    content = yaml.safe_load((ROOT / "envs/cpu.yaml").read_text(encoding="utf-8"))
    python, pip, packages = content["dependencies"]
    assert python == "python=" + PYPROJECT["requires-python"].removeprefix(">=")
    assert pip == "pip"
    pinned = {str(pin) for pin in constraints()}
    chosen = [Requirement(line) for line in packages["pip"]]
    assert {str(requirement) for requirement in chosen} <= pinned
    names = {canonicalize_name(requirement.name) for requirement in chosen}
    assert {canonicalize_name(Requirement(line).name) for line in PYPROJECT["dependencies"]} <= names
    assert not names & {"snakemake", "ruff", "pytest", "black"}
    # Both come through others only: sympy through torch, markupsafe through jinja2 and that through torch.
    assert {"sympy", "markupsafe"} <= names


def test_container_copies_only_what_there_is() -> None:
    text = (ROOT / "envs/apptainer.def").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^%(\w+)\n(.*?)(?=^%|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert {"files", "post", "runscript", "test"} <= sections.keys()
    sources = [line.split()[0] for line in sections["files"].strip().splitlines()]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    # What pyproject.toml itself refers to must be there when the image installs the project.
    assert {"pyproject.toml", PYPROJECT["readme"], *PYPROJECT["license-files"]} <= set(sources)
    packages = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "workflow").glob("*/__init__.py")}
    assert packages <= set(sources), "the logger that the profiles ask for is a package of its own"


def test_no_addresses_in_packaging() -> None:
    """No address and no host: which index serves the packages is the user's own setting."""
    address = re.compile(r"https?:|\w://|\b[\w-]+\.(?:org|com|net|io)\b", flags=re.IGNORECASE)
    paths = [ROOT / "Makefile", *(ROOT / ".ci").iterdir()]
    paths += [path for folder in ("envs", "profiles") for path in (ROOT / folder).rglob("*") if path.is_file()]
    paths = [path for path in paths if "__pycache__" not in path.parts]
    guilty = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        # The generator names the mark that it refuses to write.
        if address.search(line) and '"://"' not in line
    ]
    assert guilty == []


def test_citation_agrees_with_the_project() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (PYPROJECT["version"], PYPROJECT["license"])
    cited = {entry["value"] for work in citation["references"] for entry in work["identifiers"]}
    assert cited == {"arXiv:2412.07808", "arXiv:2405.15304"}


@pytest.fixture
def bare_repository(tmp_path: Path) -> Path:
    """What the set-up reads, and nothing that takes time to install."""
    repository = tmp_path / "first place"
    (repository / "envs").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "envs/constraints.txt"):
        shutil.copy(ROOT / name, repository / name)
    return repository


@pytest.mark.parametrize("command", ["reproduce", "report", "provenance"])
def test_unknown_preset_is_refused_before_the_set_up(bare_repository: Path, command: str) -> None:
    (bare_repository / "workflow/presets").mkdir(parents=True)
    (bare_repository / "workflow/presets/lite.yaml").touch()
    outcome = run("make", command, "PRESET=nosuch", cwd=bare_repository)
    assert outcome.returncode != 0
    assert "no preset 'nosuch'" in outcome.stderr
    assert "choose one of: miniature lite" in outcome.stderr
    assert not (bare_repository / ".venv").exists()


def test_unknown_profile_is_refused_before_the_set_up(bare_repository: Path) -> None:
    (bare_repository / "profiles/slurm").mkdir(parents=True)
    (bare_repository / "profiles/slurm/profile.yaml").touch()
    outcome = run("make", "reproduce", "PROFILE=nosuch", cwd=bare_repository)
    assert outcome.returncode != 0
    assert "no profile 'nosuch'" in outcome.stderr
    assert "choose one of: slurm" in outcome.stderr
    assert not (bare_repository / ".venv").exists()


def test_a_profile_says_itself_how_much_may_run(bare_repository: Path) -> None:
    (bare_repository / "profiles/slurm").mkdir(parents=True)
    (bare_repository / "profiles/slurm/profile.yaml").touch()
    told = [
        run("make", "--dry-run", "reproduce", *words, cwd=bare_repository).stdout for words in ([], ["PROFILE=slurm"])
    ]
    assert "--cores all" in told[0]
    assert "--workflow-profile profiles/slurm" in told[1]
    assert "--cores" not in told[1]


def test_make_alone_lists_the_commands(bare_repository: Path) -> None:
    outcome = run("make", cwd=bare_repository)
    assert outcome.returncode == 0
    for command in ("reproduce", "report", "provenance", "export", "compare", "test", "test-cluster", "lint"):
        assert re.search(rf"^  {command} +\w", outcome.stdout, flags=re.MULTILINE), outcome.stdout
    assert not (bare_repository / ".venv").exists()


def test_too_old_python_is_one_clear_error(bare_repository: Path) -> None:
    outcome = run("make", "test", "PYTHON=/nowhere/python3", cwd=bare_repository)
    assert outcome.returncode != 0
    assert "Python 3.11 or newer; none answers to: /nowhere/python3" in outcome.stderr
    assert not (bare_repository / ".venv").exists()


def test_failed_set_up_leaves_no_stamp(bare_repository: Path) -> None:
    (bare_repository / "envs/constraints.txt").write_text("torch==\n", encoding="utf-8")
    outcome = run("make", "test", f"PYTHON={sys.executable}", cwd=bare_repository)
    assert outcome.returncode != 0
    assert "set-up of .venv failed" in outcome.stderr
    assert (bare_repository / ".venv/bin/python").exists()
    assert not (bare_repository / ".venv/.stamp").exists()


def test_environment_is_made_anew_after_a_change_a_copy_or_a_move(bare_repository: Path) -> None:
    def is_settled(repository: Path) -> bool:
        return run("make", "--question", ".venv/.stamp", cwd=repository).returncode == 0

    assert not is_settled(bare_repository)
    venv.create(bare_repository / ".venv", symlinks=True)
    (bare_repository / ".venv/.stamp").write_text(f"{bare_repository.resolve()}\n", encoding="utf-8")
    assert is_settled(bare_repository)

    copied = bare_repository.with_name("copy")
    shutil.copytree(bare_repository, copied, symlinks=True)
    assert not is_settled(copied)
    moved = bare_repository.rename(bare_repository.with_name("second place"))
    assert not is_settled(moved)
    moved.rename(bare_repository)
    assert is_settled(bare_repository)

    later = (bare_repository / ".venv/.stamp").stat().st_mtime + 1
    os.utime(bare_repository / "envs/constraints.txt", (later, later))
    assert not is_settled(bare_repository)


def test_broken_environment_is_made_anew(bare_repository: Path) -> None:
    """As after the Python that it was made from has been removed."""
    (bare_repository / ".venv/bin").mkdir(parents=True)
    (bare_repository / ".venv/bin/python").symlink_to("/nowhere/python3")
    (bare_repository / ".venv/.stamp").write_text(f"{bare_repository.resolve()}\n", encoding="utf-8")
    assert run("make", "--question", ".venv/.stamp", cwd=bare_repository).returncode == 1


WORKFLOW = """
rule all:
    input: "a", "b"

rule job:
    output: "{name,[ab]}"
    resources: gpu=1
    shell: "COMMAND && touch {output}"
"""
# Fails when the other job runs at the same time; and succeeds only when it does.
ALONE = "mkdir on_the_gpu && sleep 0.5 && rmdir on_the_gpu"
TOGETHER = "touch {wildcards.name}.up && timeout 20 sh -c 'until [ -e a.up ] && [ -e b.up ]; do sleep 0.1; done'"


@pytest.mark.parametrize(
    ("command", "options"), [(ALONE, ()), (TOGETHER, ("--resources", "gpu=2"))], ids=["one", "two"]
)
def test_default_profile_limits_gpu_jobs(tmp_path: Path, command: str, options: tuple[str, ...]) -> None:
    """Plain ``--cores`` runs one GPU job at a time; the command line raises it."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "Snakefile").write_text(WORKFLOW.replace("COMMAND", command), encoding="utf-8")
    outcome = run(sys.executable, "-m", "snakemake", "--cores", "4", *options, cwd=tmp_path)
    assert outcome.returncode == 0, outcome.stderr
