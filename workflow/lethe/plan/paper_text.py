"""Whether a text study can be set against the RGD paper's values (its Tables 2, 4, 7 and 8)."""

from __future__ import annotations

from collections.abc import Iterable

from lethe.config.text_study import TextStudy
from lethe.model_files import Family
from lethe.settings.common import is_given
from lethe.settings.given_text_judges import GivenAlignment

# The paper's (section 4.1) and its code's; how images of Stable Diffusion 3 were drawn is not known.
TRAIN_PROMPTS, TEST_PROMPTS, IMAGES_PER_PROMPT = 800, 100, 1
_BASES: dict[Family, str] = {"stable_diffusion": "sd14", "stable_diffusion_3": "sd3_medium"}
_SAMPLING = {"sampler": "pndm", "steps": 50, "guidance": 7.5}
_ALIGNMENT = GivenAlignment(given="open_clip_b32")


def comparability_options(study: TextStudy, judging: TextStudy, targets: Iterable[str]) -> list[str]:
    """What the tables are told: nothing for a study whose base is trained here; that it is comparable; or what keeps it
    from that. ``judging`` is the study whose judges look at its images."""
    if is_given(study.base) == "trained":
        return []
    differences = differences_from_paper(study, judging, targets)
    return ["--differs", *differences] if differences else ["--comparable"]


def differences_from_paper(study: TextStudy, judging: TextStudy, targets: Iterable[str]) -> list[str]:
    """In words, what of a study is not as in the paper; methods and their settings are the rows' own."""
    sampling = study.sampling
    concepts = [study.targets[target] for target in targets]
    trained = min(min(sampling.train_prompts or concept.train_pairs, concept.train_pairs) for concept in concepts)
    tested = min(concept.test_pairs for concept in concepts)
    found = {
        "the base is not the paper's model": study.base.given != _BASES[study.family],
        "AS is not OpenCLIP ViT-B-32's": judging.judges.alignment != _ALIGNMENT,
        f"{trained} training prompts, not {TRAIN_PROMPTS}": trained < TRAIN_PROMPTS,
        f"{tested} test prompts, not {TEST_PROMPTS}": tested < TEST_PROMPTS,
        f"{sampling.images_per_prompt} images a prompt, not {IMAGES_PER_PROMPT}": (
            sampling.images_per_prompt != IMAGES_PER_PROMPT
        ),
    }
    if study.family == "stable_diffusion":
        for name, papers in _SAMPLING.items():
            ours = getattr(sampling, name)
            found[f"sampling.{name} is {ours}, not {papers}"] = ours != papers
    return [words for words, differs in found.items() if differs]
