"""``python -m lethe.export`` packs an unlearned model with its card, its records and what it was made from, for a
stranger to use and check. No image is packed, of any target."""

from __future__ import annotations

import argparse
from pathlib import Path

from lethe.cli import command
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.export.contents import copied, written
from lethe.export.pack import check_absent, write_archive, write_folder
from lethe.export.row import check_finished, row_at
from lethe.plan import Plan

FOLDER = Path("exports")


def main(arguments: argparse.Namespace) -> None:
    row = row_at(Plan(read_preset(arguments.preset)), arguments.model)
    output = arguments.output or FOLDER / (f"{row.name}.tar" if arguments.archive else row.name)
    check_absent(output)
    sources = copied(row)
    check_finished(row, [*sources.values(), *row.study.prompts_files(row.cell)])
    texts = written(row)
    if arguments.licence_file is not None:
        texts["LICENSE"] = _read(arguments.licence_file)
    if arguments.archive:
        write_archive(output, row.name, sources, texts)
    else:
        write_folder(output, sources, texts)
    size = sum(Path(path).stat().st_size for path in sources.values())
    print(f"{output}: {row.cell.folder} of preset {row.study.config.preset}, {size / 1e6:.1f} MB")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LetheError(f"--licence-file {path}: not a readable text ({error})", "name the licence's text") from None


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.export", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--model", type=Path, required=True, help="results/PRESET/STUDY/TARGET/VARIANT/seedN, its model/, or its card"
    )
    parser.add_argument("--output", type=Path, help="folder (or tar file) to write [exports/NAME]; must not exist")
    parser.add_argument("--archive", action="store_true", help="write one tar file of the folder, instead of it")
    parser.add_argument(
        "--licence-file", type=Path, help="text of the base's licence, packed as LICENSE: some licences ask for it"
    )
    parser.add_argument(
        "--preset", nargs="+", default=["miniature"], help="a preset's name, or config files [miniature]"
    )
    return parser


if __name__ == "__main__":
    command(parser(), main)
