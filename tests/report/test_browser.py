"""The report in a real browser: it opens quickly and without a complaint, and does what a reader expects of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from browser import Page, chromium, program
from written import HOSTILE

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium on this machine: apt-get install chromium")

SECONDS = 2.0
# Contrast of every text with what it stands on (WCAG 2: relative luminance), worst first.
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.checkVisibility() || e.closest(".unseen, script, noscript")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const key = `${e.tagName}.${e.className}`;
    if (!found.has(key) || found.get(key) > ratio) found.set(key, ratio);
  }
  return [...found].sort((a, b) => a[1] - b[1]);
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(browser: Page, report) -> Iterator[Page]:
    """The report, freshly opened on a desk in light; no test may leave a complaint in the console."""
    browser.errors.clear()
    browser.size(1280, 900)
    browser.colours("light")
    browser.open(report.path)
    yield browser
    assert browser.errors == []


def shown(page: Page, selector: str) -> int:
    """How many elements that the selector finds can be seen."""
    return page.run(f"[...document.querySelectorAll({selector!r})].filter((e) => e.checkVisibility()).length")


def box(page: Page, selector: str) -> dict[str, float]:
    """Where the first element that the selector finds lies in the window."""
    return page.run(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")


def pick(page: Page, name: str, value: str) -> None:
    page.run(
        f"(() => {{ const s = document.getElementById({name!r}); s.value = {value!r}; "
        "s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def test_opens_quickly_and_without_a_complaint(page, report):
    assert min(page.open(report.path) for _ in range(3)) <= SECONDS
    assert page.run("document.title") == "Lethe report"
    assert shown(page, "button.number") > 100


def test_a_title_from_the_configuration_is_text(page):
    options = page.run("[...document.getElementById('filter-target').options].map((o) => o.textContent)")
    assert HOSTILE in options
    assert page.run("document.querySelectorAll('img[src=x]').length") == 0


def test_filters_choose_study_target_and_method_and_stand_in_the_address(page, report):
    every = shown(page, "table.headline tbody tr")
    pick(page, "filter-study", "shapes")
    assert shown(page, "#table-table1") == 0
    assert shown(page, "#table-table2") == 1
    pick(page, "filter-target", "van_gogh")
    assert shown(page, "#table-table2 > div") == 1
    pick(page, "filter-method", "rgd")
    assert page.run("location.hash") == "#study=shapes&target=van_gogh&method=rgd"
    rows = "[...document.querySelectorAll('table.headline tbody tr')].filter((e) => e.checkVisibility())"
    assert page.run(f"{rows}.map((e) => e.cells[0].textContent)") == ["RGD"]
    records = page.run(
        "[...document.getElementById('numbers-body').rows].map((r) => [0, 1, 2].map((i) => r.cells[i].textContent))"
    )
    assert {tuple(row) for row in records} == {("shapes", "van_gogh", "rgd")}
    assert page.run("[...document.getElementById('compare-group').options].map((o) => o.value)") == ["shapes/van_gogh"]

    # A link shows the same; what a link says that the report does not know is left out.
    page.open(report.path, "study=shapes&target=van_gogh&method=rgd")
    assert shown(page, "table.headline tbody tr") == 1
    page.open(report.path, "study=nosuch&target=%3Cb%3E&method=rgd&set=nosuch&item=99&left=x&right=y")
    assert page.run("document.getElementById('filter-study').value") == ""
    assert shown(page, "table.headline tbody tr") == 5  # RGD in Table 1, its pair, by target in Table 2, RGD 400
    pick(page, "filter-method", "salun")
    assert shown(page, "#table-paired tbody tr") == 0
    page.run("document.getElementById('filter-reset').click()")
    assert shown(page, "table.headline tbody tr") == every
    assert page.run("document.activeElement.id") == "filter-study"


def test_protocol_is_shown_on_hover_on_focus_and_on_click(page):
    button = "table.headline button.number"
    assert shown(page, "#protocol") == 0
    page.point_at(button)
    until = time.monotonic() + 5
    while not shown(page, "#protocol") and time.monotonic() < until:
        time.sleep(0.02)
    told = page.run("document.getElementById('protocol').textContent")
    expected_words = ("Unlearning accuracy", "ab" * 32, "judge of digits", "EDM Heun, 6 steps", "tables/table1.csv")
    for expected in (*expected_words, "mean of 2 records", "class 3, class 5"):
        assert expected in told
    panel, number = box(page, "#protocol"), box(page, button)
    covers = panel["left"] < number["right"] and number["left"] < panel["right"]
    assert not (covers and panel["top"] < number["bottom"] and number["top"] < panel["bottom"])
    page.press("Escape")
    assert shown(page, "#protocol") == 0

    page.send("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
    page.run(f"[...document.querySelectorAll({button!r})][0].focus()")
    page.press("Tab")  # from one number to the next
    assert shown(page, "#protocol") == 1
    assert page.run("document.activeElement.getAttribute('aria-describedby')") == "protocol-told"
    page.press("Enter")
    assert page.run("document.getElementById('protocol').classList.contains('pinned')")
    assert page.run("document.activeElement.id") == "protocol-close"
    page.press("Escape")
    assert shown(page, "#protocol") == 0
    assert page.run("document.activeElement.matches('button.number')")

    page.run("document.querySelector('#table-paired button.number').click()")
    derived = page.run("document.getElementById('protocol').textContent")
    for expected in ("RGD \N{MINUS SIGN} RG", "sign-flip test", "Student's t over 2 targets", "4: UA of rgd; rg"):
        assert expected in derived
    page.run("document.querySelector('#cost button.number').click()")
    assert "benchmark files" in page.run("document.getElementById('protocol').textContent")

    page.run("document.querySelector('#numbers-body button').click()")
    assert "judge of digits" in page.run("document.getElementById('protocol').textContent")
    page.run("document.getElementById('protocol-close').click()")
    assert shown(page, "#protocol") == 0


def test_slider_is_moved_by_keyboard_and_by_pointer(page, report):
    page.open(report.path, "group=digits/3&view=slider")
    assert page.run("[...document.querySelectorAll('.slider img')].map((i) => i.alt)") == [
        "RGD: class 3, seed 3",
        "Base: class 3, seed 3",
    ]
    clip = "getComputedStyle(document.querySelector('.slider .over')).clipPath"
    page.run("document.getElementById('compare-range').focus()")
    before = page.run(clip)
    page.press("ArrowRight", 10)
    assert page.run("document.getElementById('compare-range').getAttribute('aria-valuetext')") == "60 % Base, 40 % RGD"
    assert page.run(clip) != before
    page.press("ArrowLeft", 30)
    assert page.run("document.getElementById('compare-range').value") == "30"
    page.run("document.querySelector('.slider').scrollIntoView({block: 'center', behavior: 'instant'})")
    page.drawn()
    frame = box(page, ".slider")
    place = {"x": frame["left"] + 0.8 * (frame["right"] - frame["left"]), "y": frame["top"] + 20}
    for kind in ("mousePressed", "mouseReleased"):
        page.send("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)
    assert page.run("document.getElementById('compare-range').value") == "80"


def test_any_model_is_compared_with_the_base_on_the_same_prompt_and_seed(page):
    pick(page, "compare-group", "digits/5")
    assert page.run("[...document.querySelectorAll('#compare-strip button')].map((b) => b.textContent)") == [
        *("Base", "Retrained", "SalUn", "GradDiff", "RG", "RGD", "Destroyed"),
    ]
    page.run("document.querySelector('#compare-strip [data-variant=salun]').click()")
    assert page.run("document.activeElement.dataset.variant") == "salun"
    page.run("document.getElementById('compare-next').click()")
    alts = page.run("[...document.querySelectorAll('.side img')].map((i) => i.alt)")
    assert alts == ["Base: class 5, seed 15", "SalUn: class 5, seed 15"]
    loaded = "[...document.querySelectorAll('.side img')].every((i) => i.complete && i.naturalWidth === 8)"
    assert page.run(f"new Promise((done) => setTimeout(() => done({loaded}), 200))")


def test_images_of_what_is_not_to_be_seen_are_blurred_until_asked_for(page):
    filters = "[...document.querySelectorAll('#compare img')].map((i) => getComputedStyle(i).filter)"
    pick(page, "compare-group", "shapes/stripes")
    assert all(found.startswith("blur(") for found in page.run(filters))
    assert len(page.run(filters)) > 5
    pick(page, "compare-set", "retain_test")
    assert all(found.startswith("blur(") for found in page.run(filters))
    button = "document.getElementById('veil-button')"
    assert page.run(f"{button}.textContent") == f"Show the images of {HOSTILE}"
    page.run(f"{button}.click()")
    assert set(page.run(filters)) == {"none"}
    assert page.run(f"{button}.getAttribute('aria-pressed')") == "true"
    assert "veil" not in page.run("location.hash")
    pick(page, "compare-group", "shapes/van_gogh")
    assert set(page.run(filters)) == {"none"}
    assert shown(page, "#veil") == 0
    page.run("location.reload()")
    page.wait_for("Page.loadEventFired")
    pick(page, "compare-group", "shapes/stripes")
    assert all(found.startswith("blur(") for found in page.run(filters))


@pytest.mark.parametrize("fragment", ["", "view=slider"])
def test_a_phone_need_not_scroll_sideways(page, report, fragment):
    page.size(360, 740, is_phone=True)
    page.open(report.path, fragment)
    page.run("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert page.run("document.documentElement.scrollWidth") == 360
    page.run("document.querySelector('table.headline button.number').click()")
    panel = box(page, "#protocol")
    assert panel["left"] >= 0
    assert panel["right"] <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page, report, scheme):
    page.colours(scheme)
    page.open(report.path)
    page.run("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    page.run("document.querySelector('table.headline button.number').click()")
    worst = page.run(CONTRAST)
    assert len(worst) > 20
    assert worst[0][1] >= 4.5, worst[:5]


def test_colours_follow_the_system_and_the_switch(page, report):
    ground = "getComputedStyle(document.body).backgroundColor"
    bright = page.run(ground)
    page.colours("dark")
    dark = page.run(ground)
    assert dark != bright
    page.run("document.getElementById('theme').click()")
    assert page.run(ground) == bright
    page.run("localStorage.clear()")


def test_tab_goes_through_the_page_and_each_stop_shows_its_focus(page):
    page.run("document.activeElement.blur()")
    stops = []
    for _ in range(14):
        page.press("Tab")
        stops.append(page.run("document.activeElement.id || document.activeElement.textContent.trim().slice(0, 24)"))
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert stops[:2] == ["Skip to the results", "Results"]
    assert stops[8:12] == ["theme", "filter-study", "filter-target", "filter-method"]


def test_a_figure_has_a_text_for_those_who_cannot_see_it(page):
    alts = page.run("[...document.querySelectorAll('figure img')].map((i) => i.alt)")
    assert all(len(text) > 10 for text in alts)
    assert page.run("[...document.querySelectorAll('#figures img')].every((i) => i.getAttribute('width') > 0)")
