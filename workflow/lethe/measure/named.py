"""The metrics of a text study that compare images with names: of the concept, of its anchor and of its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lethe.errors import LetheError
from lethe.measure.distance_columns import NO_INTERVAL
from lethe.measure.judged import Judged
from lethe.measure.prompt_sets import PromptSet, estimate_columns, share_columns
from lethe.measures.alignment import alignment_score
from lethe.measures.attributes import recognised
from lethe.measures.named import clip_errors, distance_to_base
from lethe.prompts import NEIGHBOUR
from lethe.settings.measures import ConceptSeen, TextMeasureSettings


def named_metrics(
    judged: Judged, base: Judged, chosen: PromptSet, settings: TextMeasureSettings, concept: ConceptSeen
) -> Iterator[dict[str, Any]]:
    """CS and CER of one prompt set; of a neighbour's set the CS with the neighbour's name, whether the neighbour is
    recognised, and the distance to the base's images. Nothing where the judge was given no names."""
    if not judged.named:
        return
    is_neighbours = chosen.name.startswith(NEIGHBOUR)
    key = chosen.name if is_neighbours else "concept"
    if key not in judged.named:
        raise LetheError(f"the judge was not given the name of {key}", "judge the images again, with all names")
    name = judged.named[key]
    cosines, confidence = name.cosine[chosen.images], settings.confidence
    shared = {"judged by": "alignment", "features": f"cosine with '{name.text}', evaluation transform"}
    score = alignment_score(cosines, chosen.resampled, confidence)
    yield {"metric": "CS"} | shared | estimate_columns(score, confidence)
    if is_neighbours:
        yield from _of_neighbour(judged, base, chosen, settings, concept)
    elif "anchor" in judged.named:
        anchor = judged.named["anchor"]
        errors = clip_errors(cosines, anchor.cosine[chosen.images])
        other = f"'{anchor.text}'" if anchor.text else "the empty text"
        shared["features"] = f"1 - share of images nearer to '{name.text}' than to {other}, cosine"
        yield {"metric": "CER"} | shared | share_columns(errors, chosen, confidence)


def _of_neighbour(
    judged: Judged, base: Judged, chosen: PromptSet, settings: TextMeasureSettings, concept: ConceptSeen
) -> Iterator[dict[str, Any]]:
    if judged.attributes is None or judged.features is None or base.features is None:
        return
    shared, word = {"judged by": "attributes"}, judged.named[chosen.name].text
    head = concept.attribute.partition("=")[0]
    if word in judged.heads.get(head, ()):
        attribute = f"{head}={word}"
        seen = recognised(judged.attributes[chosen.images], judged.heads, attribute)
        columns = share_columns(seen, chosen, settings.confidence)
        yield {"metric": "recognised_neighbour", "features": attribute} | shared | columns
    features, others = (part.features[chosen.images] for part in (judged, base))
    distance, scale = distance_to_base(features, others, chosen.rows, chosen.seeds, settings.minimum_distance)
    yield shared | {
        "metric": "FD_to_base",
        "value": distance,
        **NO_INTERVAL,
        "n": len(features),
        "control": scale,
        "control_n": None if scale is None else len(features) // 2,
        "reference": f"the base's images of the same prompts and {judged.which_seeds}; control: two halves of these by "
        "seed",
        "features": f"{features.shape[1]} features of the penultimate layer",
    }
