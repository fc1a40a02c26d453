"""From an anchor prompt to its target prompt, as DoCo and Concept Ablation rewrite it."""

from __future__ import annotations

import random
import re

from lethe.randomness import derived_seed
from lethe.settings.concept import Concept


def target_prompt(concept: Concept, number: int, anchor: str, naming: str) -> str:
    """The target prompt of the anchor prompt with this number.

    ``replace``: every whole word that is the anchor's becomes the concept's; ``naming`` is the sentence with the
    concept in its slot, for an anchor that is left out. ``style``: "P, in the style of S" with probability 1/3 and "in
    S's style, P" with 2/3, since two of the three branches of the released code (DoCo/utils.py) are one.
    """
    name = concept.prompt
    if concept.rewriting == "style":
        branch = random.Random(derived_seed(concept.seed, "prompts", "rewriting", number)).randrange(3)
        return f"{anchor}, in the style of {name}" if branch == 0 else f"in {name}'s style, {anchor}"
    if not concept.anchor:
        return naming
    return re.sub(rf"(?<!\w){re.escape(concept.anchor)}(?!\w)", lambda _: name, anchor)
