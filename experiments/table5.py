"""Table 5 (arXiv 2510.04153): the models alone: scores, parameters, multiply-accumulates and latency for four images.

The paper's finding behind it: the small models are cheaper and worse, so there is something to trade.

What decides: the device's model has fewer parameters and multiply-accumulates (counted), and the whole 95 % interval
of its FID minus the cloud's lies above 0.
"""

from pathlib import Path

import pandas as pd

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.cost.profile import architecture_of
from obclip_cli.diffusion.architectures import load_architecture, parameters_of
from obclip_cli.diffusion.denoise import Stretch
from obclip_cli.diffusion.schedule import split
from obclip_cli.evaluation.contrasts import difference
from obclip_cli.evaluation.score import caption as scored_by
from obclip_cli.report.bars import plot_bars
from obclip_cli.report.progress import ProgressBar
from obclip_cli.report.tables import write_table
from obclip_cli.reproduction.beside import PAPER, beside, paper_table
from obclip_cli.reproduction.claims import Claim, above, all_of, exactly, in_words, untested
from obclip_cli.reproduction.datasets import captions
from obclip_cli.reproduction.finished_runs import is_scored, measured_on
from obclip_cli.reproduction.needs import Planned
from obclip_cli.reproduction.paper_costs import cells_of
from obclip_cli.reproduction.quality_table import CAPTIONS_ON_MINI, captions_run, measure_captions, planned_captions
from obclip_cli.reproduction.rounds import Part, seconds_of, spread
from obclip_cli.reproduction.scoreboard import Board, Row, baseline_rows, costs, what_is_missing
from obclip_cli.reproduction.switch_points import default_split
from obclip_cli.runs import read_table

TITLE = "Table 5: the models alone"
IMAGES, ROUNDS = 4, 5
BATCH = "batch_of_4"
CLOUD, DEVICE = "cloud-only", "device-only"
ARCHITECTURES = {
    "sd-v1.4": "sd14",
    "realistic-vision-v4.0": "sd14",
    "bk-sdm-small": "bksdm-small",
    "bk-sdm-tiny": "bksdm-tiny",
    "small-sd": "small-sd",
    "sdxl": "sdxl",
    "koala-700m": "koala-700m",
    "lcm-sdxl": "lcm-sdxl",
}
PAIRS = {
    "sd14-bksdm-small": ("sd-v1.4", "bk-sdm-small"),
    "sd14-bksdm-tiny": ("sd-v1.4", "bk-sdm-tiny"),
    "rv4-smallsd": ("realistic-vision-v4.0", "small-sd"),
    "sdxl-koala": ("sdxl", "koala-700m"),
    "lcmsdxl-koala": ("lcm-sdxl", "koala-700m"),
}
SCORES = ["fid", "is", "clip"]
COUNTS = ["params_m", "tmac_batch4"]
SECONDS = "latency_batch4_s"
ENDS = ("_low", "_high")
COSTS = [("params_m", "parameters"), ("tmac_batch4", "multiply-accumulates"), (SECONDS, "seconds")]


def overrides(pair: str) -> list[str]:
    """The pair's captions."""
    return [*captions(pair, limit_on_mini=CAPTIONS_ON_MINI), *default_split(pair)]


def planned(config: Config) -> list[Planned]:
    """The run that Tables 3, 4 and 5 share."""
    return [planned_captions(config)]


def names_of(config: Config) -> dict[str, str]:
    """What the table calls the pair's models: by the paper's names where it has them."""
    cloud, device = PAIRS.get(config.pair.name, (f"{config.pair.name}-cloud", f"{config.pair.name}-device"))
    return {CLOUD: cloud, DEVICE: device}


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write `table5.csv`, `.md`, `.tex`, `.png` and the run behind them; return what they show."""
    board = measure_captions(config, folder, progress)
    missing, run_folder = board.missing, board.run
    if missing:
        measured = pd.DataFrame({"model": list(names_of(config).values())})
    else:
        measured = _measured(config, board, progress)
    table = side_by_side(counts(config), measured)
    caption = described(config, run_folder, missing)
    write_table(table, folder / "table5", caption=caption)
    stored = pd.read_csv(folder / "table5.csv")
    plot_bars(_panels(stored), folder / "table5.png", title=TITLE)
    return f"{caption}\n\n{finding(stored, config)}"


def _rows(config: Config) -> list[Row]:
    return [row for row in baseline_rows(config) if row.method in (CLOUD, DEVICE)]


def _measured(config: Config, board: Board, progress: ProgressBar) -> pd.DataFrame:
    """Scores and seconds of the pair's models, one row a model; seconds lie in a folder inside the run."""
    timed = board.run / BATCH
    if not runs.is_finished(timed, config):
        runs.write_text(timed / "latency.csv", seconds_of(config, parts(config), ROUNDS, progress).to_csv(index=False))
        runs.mark_finished(timed, config)
    seconds = spread(read_table(timed / "latency.csv")).drop(columns="n")
    seconds = seconds.rename(columns=lambda name: name.replace("seconds", SECONDS)).rename(columns={"part": "run"})
    both = board.table.merge(seconds, on="run")
    return both.assign(model=both["run"].map(names_of(config)))


def parts(config: Config) -> list[Part]:
    """All steps of each model for four images."""
    divided = split(config.pair, _rows(config)[1].run.hybrid(config.hybrid.steps))
    cloud = Stretch(divided.cloud.steps, 0, divided.cloud.steps, divided.cloud.guidance_scale)
    return [Part(CLOUD, "cloud", cloud, IMAGES), Part(DEVICE, "device", divided.device, IMAGES)]


def counts(config: Config) -> pd.DataFrame:
    """Parameters (M) and T multiply-accumulates of four images: the paper's eight models and the pair's two."""
    tmacs = {cell.row: cell.ours for cell in cells_of(5)}
    params = {model: parameters_of(load_architecture(name).unet) / 1e6 for model, name in ARCHITECTURES.items()}
    for row, model in zip(_rows(config), (config.pair.cloud, config.pair.device), strict=True):
        name = names_of(config)[row.method]
        if name not in tmacs:
            found = costs(config, row.run, 1)
            tmacs[name] = IMAGES * (found["cloud_tmac"] + found["device_tmac"])
            params[name] = parameters_of(architecture_of(model).unet) / 1e6
    rows = [
        {"model": name, "params_m": round(params[name], 2), "tmac_batch4": float(f"{tmac:.5g}")}
        for name, tmac in tmacs.items()
    ]
    return pd.DataFrame(rows)


def side_by_side(counted: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """One row a model, the paper's columns last."""
    columns = [f"{score}{end}" for score in [*SCORES, SECONDS] for end in ("", *ENDS)]
    ours = counted.merge(measured.reindex(columns=["model", *columns]), on="model", how="left")
    both = beside(ours, paper_table(5), on=["model"])
    return both[["model", f"dataset{PAPER}", *both.columns.drop(["model", f"dataset{PAPER}"])]]


def described(config: Config, run_folder: Path, missing: str) -> str:
    """The caption: where each column comes from, and the paper's slips."""
    koala = paper_table(5).set_index("model")["fid"]["koala-700m"]
    other = paper_table(4).query("method == 'device-only'")["fid"].iloc[0]
    cloud, device = names_of(config).values()
    if missing:
        measured = f"No scores or seconds of ours: {missing}."
    else:
        measured = (
            f"Scores and seconds of {cloud} and {device} are ours: {scored_by(config, run_folder)} Seconds for a batch "
            f"of {IMAGES} on {measured_on(run_folder)}, median and range of {ROUNDS} rounds."
        )
    trends = "" if config.pair.name in PAIRS else " Its scores show trends only, not comparable with the paper's."
    return (
        f"{TITLE}. Parameters (M) and T multiply-accumulates for {IMAGES} images: counted on the UNets without "
        "weights, by the paper's convention (one attention product in large models, none in compressed ones; two "
        f"passes a step for LCM-SDXL too). {measured}{trends} Columns `{PAPER}`: as printed, on MS-COCO or MJHQ, "
        "seconds on a V100. Hybrid SD, vanilla OG and HE-Diffusion have no place here: each model runs alone. "
        f"The paper's slips: koala-700m's FID is {koala:.2f} here and {other:.2f} in its "
        f"Table 4; the parameter counts of koala-700m and lcm-sdxl are swapped. Run: runs/{run_folder.name}."
    )


def _panels(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Ours and the paper's, one panel a quantity."""
    titles = {
        "params_m": "parameters (M) ↓",
        "tmac_batch4": "T multiply-accumulates ↓",
        SECONDS: "seconds ↓",
        "fid": "FID ↓",
        "clip": "CLIP score ↑",
    }
    by_model = table.set_index("model")
    return {
        title: by_model[[name, f"{name}{PAPER}"]].set_axis(["ours", "paper"], axis="columns")
        for name, title in titles.items()
    }


def finding(table: pd.DataFrame, config: Config) -> str:
    """What the table shows, in words computed from it."""
    by_model = table.set_index("model")
    quoted = by_model[by_model[f"tmac_batch4{PAPER}"].notna()]
    far = (quoted["tmac_batch4"] / quoted[f"tmac_batch4{PAPER}"] - 1).abs()
    printed = {row["model"]: row for row in table.to_dict("records")}
    cloud, device = (printed[name] for name in names_of(config).values())
    shares = [
        f"{device[column] / cloud[column]:.0%} of the {what}" for column, what in COSTS if pd.notna(cloud[column])
    ]
    parts = [
        f"Our counts of multiply-accumulates are within {far.max():.2%} of the paper's for all {len(far)} models.",
        f"{device['model']} has {', '.join(shares)} of {cloud['model']}.",
    ]
    if pd.notna(cloud["fid"]):
        parts.append(f"Its FID is {device['fid']:.4g} against {cloud['fid']:.4g}.")
    better = [f"{device}'s FID is lower than {cloud}'s" for cloud, device, _, gap in paper_gaps() if gap < 0]
    dearer = [f"{device} costs more than {cloud}" for cloud, device, cost, _ in paper_gaps() if cost > 1]
    if better or dearer:
        parts.append(f"In the paper's own figures {' and '.join([*better, *dearer])}.")
    return " ".join(parts)


def claims(config: Config, folder: Path) -> list[Claim]:
    """That the device's model is cheaper and worse, from `table5.csv` and the run behind it."""
    table = pd.read_csv(folder / "table5.csv").set_index("model")[COUNTS].astype(float)
    cloud, device = names_of(config).values()
    ratios = {column: float(table[column][device] / table[column][cloud]) for column in COUNTS}
    cheaper = [exactly(ratio < 1, f"{column} {ratio:.3g} of the cloud's") for column, ratio in ratios.items()]
    worse, gap = untested(what_is_missing(config) or "the run is not there"), ""
    run_folder = captions_run(config, folder)
    if is_scored(run_folder):
        found = difference(run_folder, "fid", DEVICE, CLOUD)
        worse, gap = above(found, 0, f"FID of {device} minus that of {cloud}"), f"FID {in_words(found)}"
    counted = "; ".join(f"{column} x{ratio:.3g}" for column, ratio in ratios.items())
    return [
        Claim(
            "The small models are cheaper and worse",
            "Table 5",
            _paper_gaps(),
            "; ".join(filter(None, [counted, gap])),
            all_of([*cheaper, worse]),
        )
    ]


def _paper_gaps() -> str:
    """Each pair of the paper: the device's share of the cost, and how much higher its FID is."""
    return "; ".join(
        f"{device} against {cloud}: tmac_batch4 x{cost:.3g}, FID {gap:+.2f}"
        for cloud, device, cost, gap in paper_gaps()
    )


def paper_gaps() -> list[tuple[str, str, float, float]]:
    """(cloud, device, the device's share of the cost, its FID minus the cloud's), as the paper prints them."""
    printed = {row["model"]: row for row in paper_table(5).to_dict("records")}
    models = [(cloud, device, printed[cloud], printed[device]) for cloud, device in PAIRS.values()]
    return [
        (cloud, device, small["tmac_batch4"] / large["tmac_batch4"], small["fid"] - large["fid"])
        for cloud, device, large, small in models
    ]
