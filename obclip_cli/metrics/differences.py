"""How far two methods of one run differ, with an interval over the prompts that both made images of."""

from pathlib import Path

import numpy as np

from obclip_cli import runs
from obclip_cli.metrics.intervals import Estimate, of_mean, of_spread
from obclip_cli.run_folder import read_table


def difference(run: Path, score: str, method: str, than: str) -> Estimate:
    """`score` of `method` minus that of `than`; prompts and noise are the same, so the interval is of the pairs.

    Args:
        run: a finished run folder.
        score: fid, or a score that each image has (clip, ssim, an attribute).
    """
    if score == "fid":
        return _of_draws(run, method, than)
    table = read_table(run / "results.csv")
    values = {name: rows.set_index("seed")[score] for name, rows in table.groupby("method") if name in (method, than)}
    pairs = (values[method] - values[than]).to_numpy(dtype=float)
    return of_mean(pairs, np.random.default_rng(0))


def _of_draws(run: Path, method: str, than: str) -> Estimate:
    """Every method's images were resampled alike, so draws can be subtracted one by one."""
    found = runs.read_json(run / "metrics.json")["methods"]
    here, there = found[method]["fid"], found[than]["fid"]
    spread = np.subtract(here["draws"], there["draws"]).std(ddof=1)
    return of_spread(here["value"] - there["value"], float(spread))
