"""The page of results in a browser: claims are filtered, tables sorted, prompts looked through."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.claims import DOES_NOT_HOLD, HOLDS, Claim, Verdict
from obclip_cli.reproduction.index import table_cells
from obclip_cli.reproduction.page import Section, write_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CLAIMS = [
    Claim("FID <b>falls</b> with k", "Fig. 3", "", "1.2 [1, 1.4]", Verdict(HOLDS, "below 2")),
    Claim("caches cost little", "Table 2", "0.1", "", Verdict(DOES_NOT_HOLD, "above 0")),
]
TABLE = pd.DataFrame(
    {"method": ["a", "b", "c"], "pair": "mini", "fid": [9.0, 10.0, None], "fid_low": [8.0, 9.5, None], "fid_high": 11.0}
)
GALLERY = pd.DataFrame(
    {
        "row": ["ObCLIP", "candidate 1"] * 2,
        "prompt": ["an old man", "an old man", "a <i>cook</i>", "a <i>cook</i>"],
        "place": [0, 0, 1, 1],
        "words": ["an old man", "a young man", "a <i>cook</i>", "a cook"],
        "gender_read": ["male", "female", None, "male"],
        "file": ["gallery/0.png", "gallery/1.png", "gallery/2.png", "gallery/3.png"],
    }
)


def test_cells_keep_the_interval_apart_and_a_constant_column_is_said_once() -> None:
    cells = table_cells(TABLE)
    assert cells["columns"] == ["method", "fid"] and cells["same"] == {"pair": "mini"}
    assert cells["rows"][0][1] == {"text": "9", "interval": "[8, 11]", "order": "9.0"}
    assert cells["rows"][2][1]["text"] == ""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Page"]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    folder = tmp_path_factory.mktemp("results")
    (folder / "runs" / "one-mini-1").mkdir(parents=True)
    (folder / "runs" / "one-mini-1" / "config.yaml").write_text("seed: 0\n")
    write_table(TABLE, folder / "one", caption="Three methods.")
    write_table(GALLERY, folder / "gallery", caption="Pictures.")
    for name in ("gallery/0", "gallery/1", "gallery/2", "gallery/3", "one"):
        path = folder / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(Path(__file__).parents[2] / "results" / "figure3.png", path)
    sections = [
        Section("One & two", "one", "Three methods. Run: runs/one-mini-1.", was_run=True, claims=CLAIMS),
        Section("Pictures", "gallery", "Pictures.", was_run=True, claims=[]),
        Section("Table 9", "table9", "no weights here", was_run=False, claims=[]),
    ]
    write_page(folder, sections)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page()
        problems: list[str] = []
        opened.on("console", lambda message: problems.append(message.text))
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("requestfailed", lambda request: problems.append(request.url))
        opened.goto((folder / "index.html").as_uri())
        yield opened
        assert problems == []
        browser.close()


def test_claims_are_filtered_by_verdict_and_by_words(page: "Page") -> None:
    rows = page.locator("#claims-table tbody tr:visible")
    assert rows.count() == 2 and "<b>falls</b>" in rows.first.inner_text()
    page.click("button.filter:has-text('does not hold')")
    assert rows.count() == 1 and page.inner_text("#shown") == "1 of 2 shown"
    page.fill("#search", "caches")
    assert rows.count() == 0
    page.click("button.filter:has-text('does not hold')")
    assert rows.count() == 1
    page.fill("#search", "")


def test_a_table_is_sorted_by_number_with_empty_cells_last_and_shows_its_intervals(page: "Page") -> None:
    page.click("#one ~ details summary")
    cells = page.locator("#one ~ details tbody tr td:nth-child(1)")
    for expected in (["a", "b", "c"], ["b", "a", "c"]):
        page.click("#one ~ details th:nth-child(2) button")
        assert cells.all_inner_texts() == expected
    assert not page.locator(".interval").first.is_visible()
    page.click("#intervals")
    assert page.locator(".interval").first.is_visible()
    assert page.locator("a[href='runs/one-mini-1/config.yaml']").count() == 1


def test_prompts_are_looked_through_by_keyboard_with_words_for_every_picture(page: "Page") -> None:
    assert page.inner_text("#prompt") == "an old man"
    page.focus("#next")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#prompt") == "a <i>cook</i>" and page.inner_text("#place") == "2 of 2"
    page.keyboard.press("Enter")
    assert page.inner_text("#prompt") == "an old man"
    images = page.locator("#pictures img")
    assert [image.get_attribute("alt") for image in images.all()] == [
        "ObCLIP: an old man; the judge reads male",
        "candidate 1: a young man; the judge reads female",
    ]
    page.wait_for_function("[...document.images].slice(-2).every((image) => image.naturalWidth > 0)")


def test_what_was_not_run_is_named_and_a_phone_scrolls_one_way(page: "Page") -> None:
    assert "Table 9 was not run: no weights here" in page.inner_text("main")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
