"""Commands are found wherever a document has them; those that another test runs really are run there.

The others are run by tests/workflow/test_documented_commands.py.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from documented import Command, commands_of
from documented_runs import REPOSITORY, RUN_BY, SUBSTITUTIONS, documented, made_small

DOCUMENT = """# Title

`make` and `make report
PRESET=smoke`, but not `made`, `make.py` or ``make``. `hf auth login`

```
make reproduce      # two comments # here
snakemake --cores all '#table1' \\
    table2
other words
```

```text
make nothing
```

```yaml
make: nothing
```

<!-- needs a GPU -->
```sh
cp a b

NAME=1 python -m lethe.data --help
```

Like this:

    .venv/bin/snakemake table3
    # a comment

1. a list

<!-- needs downloads -->
- `snakemake captions` and
  `make assets`

| a | `make one` <!-- needs a cluster --> |
| b | `make two` |
"""


def found_in(text: str, tmp_path: Path) -> list[Command]:
    (tmp_path / "a.md").write_text(text)
    return commands_of(tmp_path / "a.md", "a.md")


def test_every_kind_of_command_is_found_with_its_line_and_mark(tmp_path):
    assert [(found.line, found.text, found.needs) for found in found_in(DOCUMENT, tmp_path)] == [
        (3, "make", ""),
        (3, "make report PRESET=smoke", ""),
        (7, "make reproduce", ""),
        (8, "snakemake --cores all '#table1' table2", ""),
        (10, "other words", ""),
        (23, "cp a b", "a GPU"),
        (25, "NAME=1 python -m lethe.data --help", "a GPU"),
        (30, ".venv/bin/snakemake table3", ""),
        (36, "snakemake captions", "downloads"),
        (37, "make assets", "downloads"),
        (39, "make one", "a cluster"),
        (40, "make two", ""),
    ]


def test_a_mark_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs a sofa"):
        found_in("<!-- needs a sofa -->\n```sh\nmake\n```\n", tmp_path)


def test_no_block_of_the_documents_is_overlooked():
    """A line that looks like a command of ours is one, wherever it stands."""
    found = {(command.file, command.line) for command in documented()}
    line_of_ours = re.compile(r"\s*(?:[A-Z_]+=\S+ )*(?:make [a-z]|snakemake |python -m lethe|\.venv/bin/)")
    for name in {command.file for command in documented()}:
        for number, line in enumerate((REPOSITORY / name).read_text().splitlines(), start=1):
            assert not line_of_ours.match(line) or (name, number) in found, f"{name}:{number}: {line}"


@pytest.mark.parametrize("text", RUN_BY)
def test_a_command_that_another_test_runs_is_documented_and_run_there(text):
    assert text in {command.text for command in documented()}, f"no document has it any more: {text}"
    place, *words = RUN_BY[text]
    path, _, test = place.partition("::")
    source = (REPOSITORY / path).read_text()
    if test:
        assert test in {node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
    assert [word for word in words if word not in source] == [], f"{path} does not run: {text}"
    assert words


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in SUBSTITUTIONS])
def test_every_substitution_is_needed(pattern):
    texts = [command.text for command in documented() if not command.needs and command.text not in RUN_BY]
    assert any(re.search(pattern, text) for text in texts), f"no document needs it any more: {pattern}"


def test_nothing_that_only_a_reader_knows_is_left_to_be_run():
    for command in documented():
        if not command.needs and command.text not in RUN_BY:
            assert not re.search(r"\b(NAME|FILE|FOLDER)\b|\.\.\.|[<>]", made_small(command.text)), (
                f"{command}: say in tests/documented_runs.py (SUBSTITUTIONS) what to try it with"
            )
