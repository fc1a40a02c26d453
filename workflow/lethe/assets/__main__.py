"""``python -m lethe.assets NAME`` puts an asset in its place, checked, with a manifest."""

from __future__ import annotations

import argparse

from lethe.assets.catalogue import read_catalogue
from lethe.cli import command
from lethe.errors import LetheError, nearest
from lethe.settings.assets import AssetSettings
from lethe.settings.options import add_options, from_options


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(AssetSettings, arguments)
    catalogue = read_catalogue(settings.catalogue)
    if arguments.asset not in catalogue:
        raise LetheError(f"there is no asset '{arguments.asset}'", nearest(arguments.asset, catalogue))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.assets", description=__doc__, allow_abbrev=False)
    parser.add_argument("asset", help="its name in the catalogue")
    add_options(parser, AssetSettings)
    return parser


if __name__ == "__main__":
    command(parser(), main)
