"""`results/index.html`: claims, plots, tables and pictures of all experiments on one page, to be looked through.

One file without a server or a script from elsewhere; pictures and run folders are linked by relative paths. It is
written from the same CSV files as the rest of the folder.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from obclip_cli.report.tables import ENDS, measured
from obclip_cli.runs import read_table, write_text

GALLERY = "gallery"  # the experiment whose pictures are looked through one prompt at a time
FACTS = ("config.yaml", "environment.json", "methods.json", "scores.csv", "results.csv", "readings.csv")


def write_index(folder: Path, sections: list[dict[str, Any]]) -> None:
    """Write `folder/index.html` from `claims.csv` and each experiment's files.

    Args:
        sections: title, name, text and was_run of each experiment, in the page's order.

    Raises:
        UserError: it cannot be written, or a table cannot be read.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    there = [section for section in sections if section["was_run"] and (folder / f"{section['name']}.csv").exists()]
    claims = read_table(folder / "claims.csv").astype(object).fillna("")
    page = environment.get_template("index.html.j2").render(
        claims=claims.to_dict("records"),
        counted=Counter(claims["verdict"]),
        sections=[section | _files(folder, section["name"], section["text"]) for section in there],
        left_out=[section for section in sections if not section["was_run"]],
        prompts=json.dumps(prompts_of(folder), ensure_ascii=False).replace("<", "\\u003c"),
    )
    write_text(folder / "index.html", page)


def _files(folder: Path, name: str, caption: str) -> dict[str, Any]:
    """An experiment's plot, its table and the files of the runs behind it."""
    plot = next((f"{name}.{kind}" for kind in ("svg", "png") if (folder / f"{name}.{kind}").exists()), None)
    runs = sorted(run for run in (folder / "runs").glob("*") if f"runs/{run.name}" in caption)
    links = {run.name: [file for file in FACTS if (run / file).exists()] for run in runs}
    return {"plot": plot, "runs": links, **table_cells(read_table(folder / f"{name}.csv"))}


def table_cells(table: pd.DataFrame) -> dict[str, Any]:
    """A table as `columns` and `rows` of cells: text, its interval where it has one, and what it is sorted by.

    `same` holds the columns that say one thing in all rows: name -> text.
    """
    scores = measured(table)
    columns = [c for c in map(str, table) if not (c.endswith(ENDS) and c.rpartition("_")[0] in scores)]
    same = [c for c in columns if len(table) > 1 and table[c].nunique(dropna=False) == 1]
    columns = [c for c in columns if c not in same]
    rows = [
        [
            _cell(row[column], *((row[f"{column}{end}"] for end in ENDS) if column in scores else ()))
            for column in columns
        ]
        for row in table.to_dict("records")
    ]
    constant = {c: _cell(table[c].iloc[0])["text"] for c in same}
    return {"columns": columns, "rows": rows, "same": {c: text for c, text in constant.items() if text}}


def _cell(value: Any, low: float | None = None, high: float | None = None) -> dict[str, str]:
    if pd.isna(value):
        return {"text": "", "interval": "", "order": ""}
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    known = low is not None and high is not None and low == low and low != high
    return {"text": text, "interval": f"[{low:.4g}, {high:.4g}]" if known else "", "order": str(value)}


def prompts_of(folder: Path) -> list[dict[str, Any]]:
    """The prompts of the gallery, each with its pictures: file, what made it, its words, what the judge reads."""
    if not (folder / f"{GALLERY}.csv").exists():
        return []
    table = read_table(folder / f"{GALLERY}.csv").astype(object).fillna("")
    read = [column for column in map(str, table) if column.endswith("_read")]
    return [
        {
            "prompt": rows["prompt"].iloc[0],
            "pictures": [
                {
                    "file": row["file"],
                    "row": row["row"],
                    "words": row["words"],
                    "read": ", ".join(str(row[column]) for column in read if row[column] != ""),
                }
                for row in rows.to_dict("records")
            ],
        }
        for _, rows in table.groupby("place", sort=False)
    ]
