"""How many jobs of which rule a run would start, as Snakemake itself says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from lethe.errors import LetheError


def jobs_by_rule(configfiles: Sequence[str], words: Sequence[str] = ()) -> dict[str, int]:
    """Of ``snakemake --dry-run`` with these config files, config.yaml where there are none; nothing where all is made.
    ``words`` are more of its command line."""
    command = ["snakemake", "--dry-run", "--quiet", "rules", *words]
    command += ["--configfile", *configfiles] if configfiles else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LetheError(
            "there is no snakemake here to count the jobs", "install it, or leave them out: --no-jobs"
        ) from None
    if done.returncode:
        raise LetheError(f"snakemake --dry-run failed:\n{done.stdout}{done.stderr}".rstrip(), "mend what it names")
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total +\d+$", done.stdout + done.stderr, re.MULTILINE | re.DOTALL)
    lines = table[1].splitlines() if table else []
    return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip()) if rule != "all"}
