"""The other parts of the page: figures, model cards, provenance, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lethe.card import MEASURED
from lethe.plan import Plan
from lethe.report import provenance, words
from lethe.report.figures import embedded
from lethe.report.markdown import as_html
from lethe.report.markup import Markup, element, folded, joined, scrolling
from lethe.report.numbers import record_button
from lethe.report.plain_table import table
from lethe.report.records import Records
from lethe.report.results_section import study_of
from lethe.report.shelf import Shelf

# Those of numbers, in this order; then grids of images, which the comparison shows better.
_FIRST = (
    *("tradeoff", "tradeoff_text", "figure4", "threshold", "trajectory", "figure6", "laboratory", "conflict"),
    *("figure7", "figure2"),
)
# Pixels; wider figures go over both columns of a paper.
_ONE_COLUMN = 1300


def figures(plan: Plan, shelf: Shelf) -> Markup:
    """Every figure that there is, with a text for those who cannot see it."""
    paths = {Path(path).stem: path for path in shelf.those_there(p for p in plan.figures() if p.endswith(".png"))}
    made = {name: _figure(plan, name, path) for name, path in paths.items()}
    first = [made.pop(name) for name in _FIRST if name in made]
    grids = element("div", made.values(), class_="figures")
    return joined(
        element("div", first, class_="figures") if first else None,
        folded("Grids of images, as in the paper", grids) if made else None,
    )


def _figure(plan: Plan, name: str, path: str) -> Markup:
    image = embedded(path, plan.config.report.quality)
    title, shows = words.figure_title(name), words.figure_shows(name)
    numbers = Path(path).with_suffix(".csv")
    files = f"figures/{name}.pdf" + (f"; its numbers: figures/{name}.csv" if numbers.is_file() else "")
    caption = element("figcaption", element("strong", title), f" {shows} ", element("small", files))
    picture = element(
        "img",
        src=image.address,
        width=image.width,
        height=image.height,
        alt=f"{title}. {shows}",
        loading="lazy",
        decoding="async",
    )
    return element(
        "figure",
        scrolling(title, picture),
        caption,
        id=f"figure-{name}",
        data_study=study_of(plan, name),
        class_="wide" if image.width > _ONE_COLUMN else None,
    )


def cards(plan: Plan, records: Records, shelf: Shelf) -> Markup:
    """The card of every unlearned model, folded by target; the cards of a sweep are left in their folders. What was
    measured is shown from the records themselves, each number with its protocol."""
    held: dict[tuple[str, str], list[Markup]] = {}
    for study in plan.studies.values():
        for cell in study.with_cards:
            path = f"{study.model_folder(cell)}/README.md"
            if cell.variant in study.study.variants and shelf.has(path):
                title = f"{study.study.title(cell.variant)} ({cell.variant}), seed {cell.seed}"
                text, _, _ = Path(path).read_text(encoding="utf-8").partition(MEASURED)
                measured = _measured(records, records.of_cell(study.name, cell.target, cell.variant, int(cell.seed)))
                card = folded(title, as_html(text, title), measured, class_="card", data_method=study.method_of(cell))
                held.setdefault((study.name, cell.target), []).append(card)
    return joined(
        folded(
            f"{study}, {words.target_title(plan.studies[study], target)}: {len(made)} model{'s' * (len(made) > 1)}",
            made,
            data_study=study,
            data_target=target,
        )
        for (study, target), made in held.items()
    )


def _measured(records: Records, places: Sequence[int]) -> Markup:
    if not places:
        return Markup("")
    lines = []
    for place in places:
        record = records.all[place]
        bounds = (record.low, record.high)
        interval = " to ".join(f"{bound:.4g}" for bound in bounds if bound is not None)
        prompts = words.prompts_title(record.prompts) if record.prompts else ""
        lines.append([record.metric, prompts, record_button(f"{record.value:.4g}", place), interval, str(record.n)])
    heads = ["metric", "prompts", "value", "interval", "n"]
    return joined(element("p", "Measured:"), scrolling("Measured", table(heads, lines, left=2)))


def origin(plan: Plan, records: Records) -> Markup:
    """Configuration, versions, judges, and whether results fit this configuration and code."""
    held = provenance.results(plan)
    stale = [result for result in held if not result.fits]
    fit = f"{len(held) - len(stale)} of {len(held)} results carry the fingerprint that this configuration and code give"
    told = [
        element("p", f"Report written by {provenance.made_with()}, preset {plan.config.preset}."),
        element("p", f"{fit}: they are of these very settings and this code.")
        if not stale
        else element("p", f"{fit}. {len(stale)} are of other settings or other code.", class_="warning"),
    ]
    packages = [[name, ", ".join(found)] for name, found in provenance.versions(plan).items()]
    judges = [list(judge) for judge in provenance.judges(records)]
    prints = "\n".join(
        f"{result.stored or '-':20}  {result.path}"
        + ("" if result.fits else f"  (this configuration: {result.expected})")
        for result in held
    )
    return joined(
        told,
        folded("Versions", scrolling("Versions", table(["package", "version"], packages, left=2))),
        folded(
            "Judges and the sha256 of their weights",
            scrolling("Judges", table(["study", "judge", "sha256"], judges, left=2)),
        ),
        folded(
            "Samplers",
            scrolling("Samplers", table(["study", "sampler"], [list(s) for s in provenance.samplers(records)], left=2)),
        ),
        folded("Configuration", scrolling("Configuration", element("pre", provenance.config_text(plan)))),
        folded(f"Fingerprints of {len(held)} results", scrolling("Fingerprints", element("pre", prints))),
    )


def missing(plan: Plan, shelf: Shelf) -> Markup:
    if not shelf.missing:
        return Markup("")
    files = f"{len(shelf.missing)} files of this preset are not there,"
    if plan.config.from_published:
        files = f"Drawn from published records, in which {len(shelf.missing)} files of this preset are not,"
    preset = "" if plan.config.preset == "miniature" else f" --configfile workflow/presets/{plan.config.preset}.yaml"
    return element(
        "div",
        element("p", element("strong", files), " so parts are missing."),
        element("p", "Make them with ", element("code", f"snakemake --cores all report{preset}"), "."),
        folded("Which", scrolling("Missing files", element("pre", "\n".join(shelf.missing)))),
        class_="warning",
        role="note",
    )
