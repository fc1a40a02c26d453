"""The studies of a preset: a base model with its data, what it is to forget, and the rows of the tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lethe.config.class_study import ClassStudy
from lethe.config.text_study import TextStudy

Study = Annotated[ClassStudy | TextStudy, Field(discriminator="kind")]
