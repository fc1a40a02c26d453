"""One preset's results and its report, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from written import config, plan_of, write_results

from lethe.plan import Plan
from lethe.report.assembly import page


@dataclass(frozen=True)
class Report:
    """A finished preset in ``folder``, its plan, and the text of its report, which lies at ``path``."""

    folder: Path
    plan: Plan
    text: str

    @property
    def path(self) -> Path:
        return self.folder / "report.html"


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("written")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        plan = plan_of(config())
        write_results(plan)
        made = Report(folder, plan, page(plan))
    made.path.write_text(made.text, encoding="utf-8")
    return made


@pytest.fixture
def there(report: Report, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The same, in its folder."""
    monkeypatch.chdir(report.folder)
    return report
