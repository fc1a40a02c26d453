"""The cluster's profile: complete, in step with the rules, and right in both ways to ask for a GPU."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import yaml

SLURM = Path("profiles/slurm/profile.yaml")
# What SLURM's profile leaves out on purpose: a total of GPUs, which a cluster has itself.
ONLY_LOCAL = {"printshellcmds"}


def rules() -> dict[str, str]:
    """The text of every rule by name; that of `use rule a as b` has a's before it."""
    plain: dict[str, str] = {}
    derived: dict[str, tuple[str, str]] = {}
    for path in sorted(Path("workflow/rules").glob("*.smk")):
        for block in re.split(r"\n(?=(?:use )?rule )", path.read_text(encoding="utf-8"))[1:]:
            if own := re.match(r"rule (\w+):", block):
                plain[own[1]] = block
            elif use := re.match(r"use rule (\w+) as (\w+) with:", block):
                derived[use[2]] = use[1], block

    def text_of(name: str) -> str:
        origin, block = derived.get(name, ("", plain.get(name)))
        return text_of(origin) + block if origin else block

    return {name: text_of(name) for name in (*plain, *derived)}


def profile(text: str | None = None) -> dict:
    return yaml.safe_load(text or SLURM.read_text(encoding="utf-8"))


def on_a_gpu() -> set[str]:
    return {name for name, text in rules().items() if re.search(r"\bgpu=", text)}


def test_every_rule_whose_jobs_are_submitted_says_what_it_needs():
    assert len(on_a_gpu()) > 10
    submitted = {name for name, text in rules().items() if "localrule: True" not in text}
    assert on_a_gpu() < submitted
    missing = submitted - set(profile()["set-resources"])
    assert not missing, f"write under set-resources of {SLURM} what these ask for: {sorted(missing)}"
    for rule in submitted:
        assert {"mem_mb", "runtime"} <= set(profile()["set-resources"][rule])


def test_every_name_in_it_is_a_rule_and_every_group_has_its_sizes():
    told = profile()
    assert set(told["set-resources"]) | set(told["groups"]) <= set(rules())
    groups = set(told["groups"].values())
    assert groups == set(told["group-components"]) == set(told["resources"]) == set(told["set-resource-scopes"])
    for rule, group in told["groups"].items():
        assert told["set-resources"][rule][group] == 1, "a limit within the group counts its members"


def test_what_the_default_profile_cares_for_it_cares_for_too():
    default = yaml.safe_load(Path("profiles/default/profile.yaml").read_text(encoding="utf-8"))
    assert set(default) - ONLY_LOCAL <= set(profile())


def at_attempt(number: int, rule: str) -> dict[str, int]:
    """What a job of a rule asks for whose input files have 3 GB, as Snakemake evaluates it."""
    known = {"attempt": number, "input": SimpleNamespace(size_mb=3000.0)}
    return {name: eval(str(value), known) for name, value in profile()["set-resources"][rule].items()}


def test_a_later_attempt_asks_for_more_memory_and_a_training_for_no_more_time():
    for rule in set(profile()["set-resources"]) - set(profile()["groups"]):
        first, second = at_attempt(1, rule), at_attempt(2, rule)
        assert second["mem_mb"] == 2 * first["mem_mb"] > 2 * 3000
        if "--state" in rules()[rule]:
            assert first["runtime"] == second["runtime"]


def test_gres_in_place_of_gpu():
    """As the profile tells a site to: remove the mark before eight lines."""
    changed, marks = re.subn(r"(?m)^    # (gpu: 0|gres: .*)$", r"    \1", SLURM.read_text(encoding="utf-8"))
    assert marks == 8
    for rule in on_a_gpu():
        asked = profile(changed)["set-resources"][rule]
        assert (asked["gpu"], asked["gres"]) == (0, "gpu:1")
