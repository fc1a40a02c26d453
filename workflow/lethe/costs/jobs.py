"""How many jobs of which rule a run would start, as Snakemake itself says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence

from lethe.errors import LetheError


def jobs_by_rule(configfiles: Sequence[str]) -> dict[str, int]:
    """Of ``snakemake --dry-run`` in this folder with these config files; nothing where all is made."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--configfile", *configfiles]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LetheError(
            f"snakemake --dry-run failed:\n{done.stdout}{done.stderr}".rstrip(),
            "mend what it names, or leave the jobs out: --no-jobs",
        )
    told = done.stdout + done.stderr
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total +\d+$", told, re.MULTILINE | re.DOTALL)
    lines = table[1].splitlines() if table else []
    return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip()) if rule != "all"}
