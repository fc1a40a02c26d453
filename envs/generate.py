"""Write envs/ from pyproject.toml: the pins, then the conda environment and the container definition.

python envs/generate.py             resolve again, keep every pin that still fits (network, uv)
python envs/generate.py --upgrade   resolve again, newest of everything but the held packages (network, uv)
python envs/generate.py --check     say whether the files are in step (no network, writes nothing)
"""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PINS = Path("envs/constraints.txt")
CONDA = Path("envs/cpu.yaml")
CONTAINER = Path("envs/apptainer.def")

EXTRAS = ("workflow", "slurm", "dev")
# These two move together and by hand: the golden numbers of the tests are tied to them.
HELD = ("torch==2.14.1", "torchvision==0.29.1")
# Torch's wheels name their exact CUDA wheels themselves; a CPU build of torch wants none of them.
CUDA_WHEELS = re.compile(r"(nvidia|cuda)-|triton$")

HEADER = "# Written by envs/generate.py from pyproject.toml; do not edit. See envs/README.md.\n"


@dataclass(frozen=True)
class Pin:
    """One line of the constraints: ``name==version ; marker  # via who asks for it``."""

    requirement: Requirement
    via: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        return specifier.version

    @property
    def line(self) -> str:
        marker = self.requirement.marker
        return f"{self.requirement.name}{self.requirement.specifier}" + (f" ; {marker}" if marker else "")


class Project:
    """What pyproject.toml says: version, oldest Python, the dependencies that it names, and the packages it holds."""

    def __init__(self, text: str) -> None:
        whole = tomllib.loads(text)
        table, found = whole["project"], whole["tool"]["setuptools"]["packages"]["find"]
        (place,) = found["where"]
        self.packages = [f"{place}/{pattern.removesuffix('*')}" for pattern in found["include"]]
        self.name: str = table["name"]
        self.version: str = table["version"]
        self.summary: str = table["description"]
        self.python: str = table["requires-python"].removeprefix(">=")
        self.runtime = [Requirement(line) for line in table["dependencies"]]
        self.extras: Mapping[str, list[Requirement]] = {
            extra: [Requirement(line) for line in lines] for extra, lines in table["optional-dependencies"].items()
        }

    @property
    def dependencies(self) -> list[Requirement]:
        return [*self.runtime, *(line for extra in EXTRAS for line in self.extras[extra])]


def read_pins(text: str) -> list[Pin]:
    pins = []
    for line in text.splitlines():
        requirement, _, comment = line.partition("#")
        if requirement.strip():
            via = re.findall(r"[\w.-]+(?: \(pyproject\.toml\))?", comment.strip().removeprefix("via "))
            pins.append(Pin(Requirement(requirement), frozenset(canonicalize_name(name.split()[0]) for name in via)))
    return pins


def needed_by(requirements: Iterable[Requirement], pins: Iterable[Pin]) -> set[str]:
    """Names of all packages that the requirements bring, directly or through one another."""
    pins = list(pins)
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    while more := {pin.name for pin in pins if pin.via & names} - names:
        names |= more
    return names


def faults(project: Project, pins: list[Pin]) -> Iterator[str]:
    """Where the pins and pyproject.toml disagree."""
    for wanted in project.dependencies:
        found = [pin for pin in pins if pin.name == canonicalize_name(wanted.name)]
        if not found:
            yield f"{PINS} does not pin {wanted.name}, which pyproject.toml names"
        for pin in found:
            if not wanted.specifier.contains(pin.version, prereleases=True):
                yield f"{PINS} pins {pin.line}, but pyproject.toml asks for {wanted}"
    for name in sorted({pin.name for pin in pins} - needed_by(project.dependencies, pins)):
        yield f"{PINS} pins {name}, which nothing in pyproject.toml needs"
    for held in map(Requirement, HELD):
        yield from (
            f"{PINS} pins {pin.line}, but envs/generate.py holds {held}"
            for pin in pins
            if pin.name == held.name and not held.specifier.contains(pin.version)
        )


def conda_environment(project: Project, pins: list[Pin]) -> str:
    """The environment of one job: Lethe's own dependencies, without Snakemake and the developers' tools.

    The pins stand in full, since Snakemake copies this file elsewhere, away from constraints.txt.
    """
    needed = needed_by(project.runtime, pins)
    lines = [pin.line for pin in pins if pin.name in needed and not CUDA_WHEELS.match(pin.name)]
    return (
        f"{HEADER}"
        "# Python and pip are conda's, the rest are the pins; cpu.post-deploy.sh adds Lethe itself.\n"
        f"name: {project.name}\n"
        "channels:\n"
        "  - conda-forge\n"
        "  - nodefaults\n"
        "dependencies:\n"
        f"  - python={project.python}\n"
        "  - pip\n"
        "  - pip:\n" + "".join(f"      - '{line}'\n" for line in lines)
    )


def container_definition(project: Project) -> str:
    """An image that holds Lethe and Snakemake under the pins; build it from the top of the repository."""
    home = f"/opt/{project.name}"
    install = "python -m pip install --no-cache-dir --constraint envs/constraints.txt"
    packages = "\n".join(f"    {folder} {home}/{folder}" for folder in project.packages)
    return f"""{HEADER}Bootstrap: docker
From: python:{project.python}-slim

%labels
    Title {project.name}
    Version {project.version}

%files
    pyproject.toml {home}/pyproject.toml
    README.md {home}/README.md
    LICENSE {home}/LICENSE
{packages}
    envs/constraints.txt {home}/envs/constraints.txt

%post
    cd {home}
    {install} setuptools
    {install} --no-build-isolation '.[workflow]'
    python -m pip check

%environment
    export LC_ALL=C.UTF-8
    export PYTHONNOUSERSITE=1

%runscript
    exec "$@"

%test
    python -c 'import diffusers, {project.name}, torch; print(torch.__version__)'
    snakemake --version

%help
    {project.summary}
    In a checkout: apptainer run --nv {project.name}.sif snakemake --cores all
"""


def derived_files(project: Project, pins: list[Pin]) -> dict[Path, str]:
    return {CONDA: conda_environment(project, pins), CONTAINER: container_definition(project)}


def resolve(project: Project, present: Path, upgrade: bool) -> str:
    """Ask uv for one set of pins for every Python from the oldest on, and every platform."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        sys.exit("resolving the pins needs uv, which was not found\n  remedy: python -m pip install uv")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, present.name)
        if present.exists() and not upgrade:
            shutil.copy(present, output)  # uv prefers the pins that it finds here
        command = [uv, "pip", "compile", "pyproject.toml", "--quiet", "--output-file", str(output)]
        command += ["--universal", "--python-version", project.python]
        command += [
            "--no-header",
            "--annotation-style",
            "line",
            "--no-emit-index-url",
            "--no-emit-find-links",
        ]
        command += [word for extra in EXTRAS for word in ("--extra", extra)]
        command += [word for held in HELD for word in ("--upgrade-package", held)]
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
            sys.exit("uv could not resolve pyproject.toml; nothing was written")
        pins = output.read_text(encoding="utf-8")
    if "://" in pins:
        sys.exit(f"uv wrote an address among the pins; nothing was written:\n{pins}")
    return HEADER + pins


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="only say whether the files are in step")
    choice.add_argument("--upgrade", action="store_true", help="take the newest of all but the held packages")
    options = parser.parse_args(arguments)

    project = Project((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if options.check:
        pins = read_pins((ROOT / PINS).read_text(encoding="utf-8"))
        found = list(faults(project, pins))
        for path, text in derived_files(project, pins).items():
            present = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
            found += difflib.unified_diff(
                present.splitlines(),
                text.splitlines(),
                f"{path} (as it is)",
                f"{path} (as it should be)",
                lineterm="",
            )
        if found:
            print(*found, "", "envs/ is out of step with pyproject.toml", sep="\n", file=sys.stderr)
            print("  remedy: python envs/generate.py", file=sys.stderr)
        return int(bool(found))

    text = resolve(project, ROOT / PINS, options.upgrade)
    files = {PINS: text, **derived_files(project, read_pins(text))}
    for path, content in files.items():
        (ROOT / path).write_text(content, encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
