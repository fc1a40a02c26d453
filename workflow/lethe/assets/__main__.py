"""``python -m lethe.assets NAME ...`` puts assets in their places, checked, each with a manifest."""

from __future__ import annotations

import argparse

from lethe.assets.catalogue import read_catalogue
from lethe.assets.fetch import fetch
from lethe.cli import command
from lethe.errors import LetheError, nearest
from lethe.settings.assets import AssetSettings
from lethe.settings.options import add_options, from_options


def main(arguments: argparse.Namespace) -> None:
    settings, names = AssetSettings(), arguments.assets
    if arguments.preset is not None:
        from lethe.config.reading import read_preset
        from lethe.plan import Plan  # only here: a plan takes half a second, and itself asks this package

        plan = Plan(read_preset(arguments.preset))
        settings = plan.config.assets
        names = names or [place.name for place in plan.assets()]
    settings = from_options(AssetSettings, arguments, settings)
    catalogue = read_catalogue(settings.catalogue)
    for name in names:
        if name not in catalogue:
            raise LetheError(f"there is no asset '{name}'", nearest(name, catalogue))
    if not names:
        print("nothing to fetch" + (f": preset {plan.config.preset} uses no assets" if arguments.preset else ""))
    for name in names:
        fetch(name, catalogue[name], settings)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.assets", description=__doc__, allow_abbrev=False)
    parser.add_argument("assets", nargs="*", metavar="NAME", help="names in the catalogue")
    parser.add_argument(
        "--preset",
        nargs="+",
        help="a preset's name, or config files: its settings of assets are the defaults here, and where no NAME is "
        "given all assets that it uses are fetched",
    )
    add_options(parser, AssetSettings)
    return parser


if __name__ == "__main__":
    command(parser(), main)
