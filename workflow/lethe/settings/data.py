"""Settings of the data stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lethe.settings.common import Settings


class DataSettings(Settings):
    """Which real images the study is about, and how they are split."""

    source: Literal["digits", "cifar10"] = Field(
        "digits",
        description="The data: digits = the 1,797 real 8x8 handwritten digits that scikit-learn ships; cifar10 = the "
        "60,000 real 32x32 photographs of CIFAR-10, split as published (test_share and split_seed are not used).",
    )
    test_share: float = Field(
        0.2, gt=0, lt=1, description="Share of each class held out: never trained on, only measured against."
    )
    split_seed: int = Field(0, ge=0, description="Seed of the stratified split into train and test.")


class ClassData(DataSettings):
    """The same in a preset, which also says where the images lie."""

    file: str | None = Field(
        None,
        min_length=1,
        description="The archive of cifar10 (cifar-10-python.tar.gz): an asset's name, or a path of your own; null for "
        "digits.",
    )

    @model_validator(mode="after")
    def _has_the_file_it_needs(self) -> ClassData:
        if self.source == "cifar10" and self.file is None:
            raise ValueError("file: null, but cifar10 is read from an archive; name it, as file: cifar10")
        if self.source == "digits" and self.file is not None:
            raise ValueError(f"file: '{self.file}', but digits come with scikit-learn; leave it out")
        return self
