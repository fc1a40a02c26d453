"""What the sections under ``artefacts:`` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lethe.config.studies import Study
from lethe.errors import nearest
from lethe.methods.method import Kind


def study_named(studies: Mapping[str, Study], place: str, name: str, kind: Kind) -> Study:
    if name not in studies:
        raise ValueError(f"{place}: there is no study '{name}'; {nearest(name, studies)}")
    if studies[name].kind != kind:
        raise ValueError(f"{place}: '{name}' is a study of kind {studies[name].kind}, not {kind}")
    return studies[name]


def check_rows(study: Study, name: str, place: str, rows: Mapping[str, Iterable[str]], quirks: bool = False) -> None:
    """Raise ValueError for a row that is not there, or that only the table quirks (``quirks``) may show."""
    for key, variants in rows.items():
        for variant in variants:
            if variant not in study.variants:
                raise ValueError(
                    f"{place}.{key}: study {name} has no variant '{variant}'; {nearest(variant, study.variants)}"
                )
            if study.as_released(variant) and not quirks:
                raise ValueError(
                    f"{place}.{key}: '{variant}' is evaluated as released; only artefacts.quirks compares such a row"
                )
