"""Whether a class study can be set against the RGD paper's values on CIFAR-10 (its Tables 1 and 3)."""

from __future__ import annotations

from lethe.config.studies import ClassStudy
from lethe.settings.base import GivenBaseSettings
from lethe.settings.given_judges import ZeroShotJudge

# The paper's (section 4.1 and Appendix C) and its code's: images of the target, images of all others together, images
# of D_r from each class, steps of the sampler.
FORGET_IMAGES, RETAIN_IMAGES, RETAIN_SET, SAMPLER_STEPS = 50_000, 50_000, 50, 18
_REFERENCE = "edm_fid_reference"


def comparability_options(study: ClassStudy, targets: set[str], papers: set[str]) -> list[str]:
    """What the tables are told: nothing for a study of other data; that it is comparable; or what keeps it from that.

    ``targets`` are those of the rows that a table shows, ``papers`` those of the paper's own.
    """
    if study.data.source != "cifar10":
        return []
    differences = differences_from_paper(study)
    if targets != papers:
        differences.append(f"{len(targets)} targets ({', '.join(sorted(targets))}), not the paper's {len(papers)}")
    return ["--differs", *differences] if differences else ["--comparable"]


def differences_from_paper(study: ClassStudy) -> list[str]:
    """In words, what of a study of CIFAR-10 is not as in the paper; methods and their settings are the rows' own."""
    sampling = study.sampling
    retain = sampling.retain_images * 9
    found = {
        "the base is not EDM's checkpoint": study.base != GivenBaseSettings(),
        "UA and RA are a trained classifier's, not zero-shot CLIP's": study.zero_shot is None,
        "CLIP or its sentences are not the paper's": study.zero_shot is not None and not _is_papers(study.zero_shot),
        "distances are no FID": study.inception is None,
        "FID is not to EDM's reference": study.inception is not None and study.inception.reference != _REFERENCE,
        f"{sampling.forget_images:,} images of the target, not {FORGET_IMAGES:,}": (
            sampling.forget_images < FORGET_IMAGES
        ),
        f"{retain:,} images of the other classes, not {RETAIN_IMAGES:,}": retain < RETAIN_IMAGES,
        f"{sampling.steps} steps of the sampler, not {SAMPLER_STEPS}": sampling.steps != SAMPLER_STEPS,
        f"{study.sets.retain_per_class} images of D_r a class, not {RETAIN_SET}": (
            study.sets.retain_per_class != RETAIN_SET
        ),
    }
    return [words for words, differs in found.items() if differs]


def _is_papers(judge: ZeroShotJudge) -> bool:
    return judge == ZeroShotJudge(batch=judge.batch)
