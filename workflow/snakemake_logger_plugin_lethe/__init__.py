"""Snakemake's logger plugin ``lethe``: Snakemake finds it by this package's name. The code is in ``lethe.watch``."""

from lethe.watch.handler import LogHandler, LogHandlerSettings

__all__ = ["LogHandler", "LogHandlerSettings"]
