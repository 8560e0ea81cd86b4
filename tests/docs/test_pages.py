"""The other pages: the notebook runs, the API page is what the docstrings say, links lead somewhere."""

import json
import re
import runpy
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def test_the_api_page_is_made_from_the_docstrings() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_api.py"))["page"]()
    stale = "docs/api.md is stale; run: python docs/make_api.py"
    assert made == (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), stale


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:made a client secret")
def test_every_cell_of_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    cells = json.loads((ROOT / "docs" / "obclip.ipynb").read_text(encoding="utf-8"))["cells"]
    space: dict[str, object] = {}
    with plt.rc_context({"backend": "Agg"}):
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), cell["id"], "exec"), space)
    guesses, costs = zip(*[row[:2] for row in space["rows"]], strict=True)  # type: ignore[attr-defined]
    assert list(guesses) == sorted(guesses) and list(costs) == sorted(costs, reverse=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
