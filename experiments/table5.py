"""Table 5 (arXiv 2510.04153): the models alone: scores, parameters, multiply-accumulates and latency for four images.

The paper's finding behind it: the small models are cheaper and worse, so there is something to trade. What decides: the
device's model has fewer parameters and multiply-accumulates (counted), and the whole 95 % interval of its FID minus the
cloud's lies above 0.
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.cost.profile import architecture_of
from obclip_cli.diffusion.architectures import load_architecture, parameters_of
from obclip_cli.evaluation.blocks import blocks_of, settings_of
from obclip_cli.evaluation.contrasts import difference
from obclip_cli.evaluation.methods import CLOUD_ONLY, DEVICE_ONLY
from obclip_cli.evaluation.score import judged
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, above, all_of, exactly, untested
from obclip_cli.reproduction.experiment import what_is_missing, write_results
from obclip_cli.reproduction.paper import PAPER, beside, paper_table
from obclip_cli.reproduction.paper_costs import cells_of, printed
from obclip_cli.reproduction.score_table import Scored, costs, score_and_time
from obclip_cli.reproduction.timing import Part, seconds_of, spread
from obclip_cli.runs import read_table

IMAGES = 4
SECONDS = "latency_batch4_s"
COUNTS = ["params_m", "tmac_batch4"]
MEASURED = [f"{score}{end}" for score in ("fid", "is", "clip", SECONDS) for end in ("", "_low", "_high")]
PANELS = {
    "params_m": "parameters (M) ↓",
    "tmac_batch4": "T multiply-accumulates ↓",
    SECONDS: "seconds ↓",
    "fid": "FID ↓",
    "clip": "CLIP score ↑",
}


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the table, bars and the run behind them, which Tables 3 and 4 share; return the caption."""
    scored = score_and_time(blocks_of(config)[0], folder, progress)
    ours = counts(config).merge(_measured(config, scored, progress), on="model", how="left")
    table = beside(ours, paper_table(5), on=["model"])
    table.insert(1, f"dataset{PAPER}", table.pop(f"dataset{PAPER}"))
    missing = f"No scores or seconds of ours: {scored.missing}."
    told = missing if scored.missing else judged(config, scored.run)
    caption = write_results(config, folder, table, scored.run, told)
    stored = read_table(folder / "table5.csv").set_index("model")
    both = {title: stored[[name, f"{name}{PAPER}"]] for name, title in PANELS.items()}
    panels = {title: table.set_axis(["ours", "paper"], axis="columns") for title, table in both.items()}
    plot_bars(panels, folder / "table5.png", title=settings_of(config)["title"])
    return caption


def names_of(config: Config) -> dict[str, str]:
    """What the table calls the pair's models: by the paper's names where it has them."""
    own = [f"{config.pair.name}-cloud", f"{config.pair.name}-device"]
    cloud, device = settings_of(config)["pairs"].get(config.pair.name, own)
    return {CLOUD_ONLY: cloud, DEVICE_ONLY: device}


def counts(config: Config) -> pd.DataFrame:
    """Parameters (M) and T multiply-accumulates of four images: the paper's eight models and the pair's two."""
    tmacs = {cell.row: cell.ours for cell in cells_of(5)}
    architectures = (printed(5)["cloud"] + printed(5)["device"]).array  # a cell of Table 5 is of one of both
    unets = {model: load_architecture(name).unet for model, name in zip(tmacs, architectures, strict=True)}
    alone = {row.name: row.run for row in blocks_of(config)[0].rows}
    for method, model in ((CLOUD_ONLY, config.pair.cloud), (DEVICE_ONLY, config.pair.device)):
        name = names_of(config)[method]
        if name not in tmacs:
            found = costs(config, alone[method], 1)
            tmacs[name] = IMAGES * (found["cloud_tmac"] + found["device_tmac"])
            unets[name] = architecture_of(model).unet
    return pd.DataFrame(
        {"model": name, "params_m": round(parameters_of(unets[name]) / 1e6, 2), "tmac_batch4": float(f"{tmac:.5g}")}
        for name, tmac in tmacs.items()
    )


def _measured(config: Config, scored: Scored, progress: ProgressBar) -> pd.DataFrame:
    """Scores and seconds of the pair's models, one row a model; seconds lie in a folder inside the run."""
    both = scored.table[scored.table["run"].isin([CLOUD_ONLY, DEVICE_ONLY])]
    if not scored.missing:
        timed = scored.run / "batch_of_4"
        if not runs.is_finished(timed, config):
            alone = {row.name: row.run for row in blocks_of(config)[0].rows}
            sides = {CLOUD_ONLY: "cloud", DEVICE_ONLY: "device"}
            parts = [Part.of(config, alone[name], side, IMAGES) for name, side in sides.items()]
            times = seconds_of(config, parts, settings_of(config)["rounds"], progress)
            runs.write_text(timed / "latency.csv", times.to_csv(index=False))
            runs.mark_finished(timed, config)
        seconds = spread(read_table(timed / "latency.csv")).drop(columns="n")
        seconds = seconds.rename(columns=lambda name: name.replace("seconds", SECONDS))
        both = both.merge(seconds.rename(columns={"part": "run"}), on="run")
    return both.assign(model=both["run"].map(names_of(config))).reindex(columns=["model", *MEASURED])


def claims(config: Config, folder: Path) -> list[Claim]:
    """That the device's model is cheaper and worse, from `table5.csv` and the run behind it."""
    table, missing = read_table(folder / "table5.csv").set_index("model")[COUNTS].astype(float), what_is_missing(config)
    cloud, device = names_of(config).values()
    ratios = {column: float(table[column][device] / table[column][cloud]) for column in COUNTS}
    verdicts = [exactly(ratio < 1, f"{column} {ratio:.3g} of the cloud's") for column, ratio in ratios.items()]
    run = blocks_of(config)[0].run(folder, missing)
    if (run / "scores.csv").exists():
        verdicts.append(
            above(difference(run, "fid", DEVICE_ONLY, CLOUD_ONLY), 0, f"FID of {device} minus that of {cloud}")
        )
    else:
        verdicts.append(untested(missing or "nothing was scored"))
    quoted = {row["model"]: row for row in paper_table(5).to_dict("records")}
    there = [
        f"{small} against {large}: tmac_batch4 x{quoted[small]['tmac_batch4'] / quoted[large]['tmac_batch4']:.3g}, "
        f"FID {quoted[small]['fid'] - quoted[large]['fid']:+.2f}"
        for large, small in settings_of(config)["pairs"].values()
    ]
    ours = "; ".join(f"{column} x{ratio:.3g}" for column, ratio in ratios.items())
    return [Claim("The small models are cheaper and worse", "Table 5", "; ".join(there), ours, all_of(verdicts))]
