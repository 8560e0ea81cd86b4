"""One table over all runs of a sweep, also when some failed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.report.tables import with_intervals
from obclip_cli.runs import read_json, read_table, write_text

BASELINES = (CLOUD_ONLY, DEVICE_ONLY)
LONGEST_REASON = 300


@dataclass(frozen=True)
class SweepReport:
    """A sweep's results.

    Attributes:
        table: one row a finished run, the baselines last; the swept settings first.
        swept: the settings that have several values.
        failed: a job's settings -> why it failed.
    """

    table: pd.DataFrame
    swept: list[str]
    failed: dict[str, str]

    @property
    def runs(self) -> pd.DataFrame:
        """The rows of the swept method, without baselines."""
        return self.table[~self.table["method"].isin(BASELINES)]

    @property
    def baselines(self) -> pd.DataFrame:
        """The rows of the large and the small model alone."""
        return self.table[self.table["method"].isin(BASELINES)]


def read_sweep(folder: Path) -> SweepReport:
    """Read the results of all jobs of a sweep."""
    paths = sorted(folder.glob("jobs/*/job.json"), key=lambda path: int(path.parent.name))
    jobs = [read_json(path) for path in paths]
    settings = [_settings(job["overrides"]) for job in jobs]
    keys = list(dict.fromkeys(key for setting in settings for key in setting))
    swept = [key for key in keys if len({setting.get(key) for setting in settings}) > 1] or keys
    rows: list[pd.DataFrame] = []
    users: dict[str, list[dict[str, Any]]] = {}  # a baseline's run -> the settings of the jobs that share it
    failed: dict[str, str] = {}
    for job, setting in zip(jobs, settings, strict=True):
        own = {key: setting.get(key) for key in swept}
        if "error" in job:
            failed[" ".join(f"{key}={value}" for key, value in setting.items())] = " ".join(job["error"].split())[
                :LONGEST_REASON
            ]
            continue
        rows.append(_rows(folder / job["run"], job["methods"], own))
        if "baselines" in job:
            users.setdefault(job["baselines"], []).append(own)
    for run, sharing in users.items():
        rows.append(_rows(folder / run, list(BASELINES), _common(sharing)))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*swept, "method"])
    return SweepReport(table.apply(_numeric), swept, failed)


def write_sweep(report: SweepReport, folder: Path, *, caption: str) -> None:
    """Write `table.csv` for programs and `table.md` for people; jobs that failed are listed in the latter."""
    lost = "".join(f"\n- `{setting}`: {why}" for setting, why in report.failed.items())
    shown = with_intervals(report.table)
    text = shown.astype(object).where(shown.notna(), "").to_markdown(index=False)
    write_text(folder / "table.csv", report.table.to_csv(index=False))
    write_text(folder / "table.md", f"{caption}\n\n{text}\n" + (f"\nFailed:\n{lost}\n" if lost else ""))


def _settings(overrides: list[str]) -> dict[str, str]:
    """setting -> value of a job."""
    parts = (override.partition("=") for override in overrides)
    return {key.lstrip("+").rstrip("_"): value for key, _, value in parts}


def _common(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """Values that are equal in all; None where they differ."""
    first = settings[0]
    return {key: value if all(own[key] == value for own in settings) else None for key, value in first.items()}


def _rows(run: Path, methods: list[str], settings: dict[str, Any]) -> pd.DataFrame:
    scores = read_table(run / "scores.csv")
    rows = scores[scores["method"].isin(methods)].reset_index(drop=True)
    rows = rows.drop(columns=[key for key in settings if key in rows])  # a group such as cache is named alike
    named = pd.DataFrame([settings] * len(rows), index=rows.index)
    return pd.concat([named, rows, pd.Series([run.name] * len(rows), name="run")], axis=1)


def _numeric(column: pd.Series) -> pd.Series:
    """Settings come as text: numbers where all of them are."""
    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column
