"""Secure computation and homomorphic encryption beside ObCLIP, for the same image.

What decides the claim: "orders of magnitude" is a factor of at least 100, in bytes and in the servers' CPU seconds, at
every number of candidates; of CPU the smallest factor that the repeats allow. The quoted and the estimated figures
decide nothing.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from obclip_cli import runs
from obclip_cli.config import Config
from obclip_cli.data import Sample
from obclip_cli.diffusion import pairs
from obclip_cli.errors import UserError
from obclip_cli.evaluation.blocks import settings_of
from obclip_cli.evaluation.extractors import load_extractor
from obclip_cli.evaluation.images import StoredImages, slug
from obclip_cli.metrics.per_image import ssims
from obclip_cli.report.picture_grid import plot_grid
from obclip_cli.report.progress import ProgressBar
from obclip_cli.reproduction.claims import Claim, exactly
from obclip_cli.reproduction.encryption import macs_of, write_encrypted
from obclip_cli.reproduction.experiment import run_folder, write_results
from obclip_cli.reproduction.grids import Images, readings
from obclip_cli.reproduction.paper import paper_table
from obclip_cli.runs import read_table
from obclip_cli.secure import measure
from obclip_cli.secure.launch import script_rows
from obclip_cli.secure.plan import Variant

ORDERS = 100
DELAYS = (1, 20, 50)  # milliseconds
PICTURE = "pictures.png"
PLAIN, MPC = "without protection", "under secure computation"


def variants(config: Config) -> list[Variant]:
    """The image's first."""
    settings = settings_of(config)
    protocol, weights = settings["image"]
    image = Variant(protocol, weights, config.hybrid.switch_point)
    return [image, *(Variant(protocol, weights, 1) for protocol, weights in settings["others"])]


def make(config: Config, folder: Path, python: Path, port: int | None, progress: ProgressBar) -> None:
    """Measure everything into the run folder; what is finished is read.

    Args:
        python: of the environment with SPU and TenSEAL.

    Raises:
        UserError: weights are missing, a port is in use, or a party died.
    """
    pairs.require(config.pair)
    run = run_folder(config, folder)
    if (run / "steps.csv").exists():
        return
    prompt, wanted = settings_of(config)["prompt"], variants(config)
    setting = measure.Setting.of(config, prompt)
    sent = settings_of(config)["sent"]
    work: dict[str, Callable[[], list[measure.Row]]] = {
        "obclip": lambda: measure.obclip_rows(setting, sent, progress("ObCLIP", len(sent))),
        "ckks": partial(script_rows, python, "homomorphic.py", "ckks"),
        "pir": partial(script_rows, python, "homomorphic.py", "pir"),
    }
    advance, tables, answers = progress("tables", len(work)), {}, []
    for name, measured in work.items():
        tables[name] = measure.once(run.name, name, measured)
        advance(1)
    for variant in wanted:
        advance = progress(f"{variant.protocol}, {variant.weights} weights", variant.steps)
        answers.append(measure.measure(setting, variant, python, port, advance))
    runs.start(run, config)
    plain = setting.plain()
    clean = torch.cat([state.history for state in plain if state.history is not None])
    pictures = {
        PLAIN: setting.pictures(clean, plain[-1].latents),
        MPC: setting.pictures(answers[0].clean, answers[0].latents),
    }
    _keep_pictures(setting, run, pictures)
    for name, rows in tables.items():
        runs.write_text(run / f"{name}.csv", pd.DataFrame(rows).to_csv(index=False))
    steps = pd.DataFrame([row for answer in answers for row in answer.rows])
    runs.write_text(run / "steps.csv", steps.to_csv(index=False))
    measure.forget()


def _keep_pictures(setting: measure.Setting, run: Path, pictures: dict[str, torch.Tensor]) -> None:
    """The pictures, and what the judge reads in the finished ones."""
    for name, images in pictures.items():
        stored = StoredImages(run / "images" / slug(name), len(images))
        for place, image in enumerate(images):
            stored.write(place, image)
    last, config = {name: images[-1:] for name, images in pictures.items()}, setting.config
    sample = Sample(setting.prompt, config.seed, setting.values())
    found = readings(Images(last, [sample], ["finished"]), load_extractor(config))
    found["ssim"] = [float(ssims(images, last[PLAIN])[0]) for images in last.values()]
    runs.write_text(run / "readings.csv", found.to_csv(index=False))
    _draw(setting, run / PICTURE, pictures, found)


def _draw(setting: measure.Setting, path: Path, pictures: dict[str, torch.Tensor], read: pd.DataFrame) -> None:
    """Both ways below each other, step by step; kept beside the run's tables, as single images are not committed."""
    hits, count = read[[column for column in read.columns if column.endswith("_right")]].all(axis=1), len(pictures[MPC])
    plot_grid(
        path,
        pictures,
        [*(f"foretold after step {place}" for place in range(1, count)), "finished on the device"],
        right={name: [None] * (count - 1) + [bool(good)] for name, good in zip(read["row"], hits, strict=True)},
        title=f"{setting.prompt}: {settings_of(setting.config)['title'].lower()} ({setting.config.pair.name})",
    )


def run(config: Config, folder: Path, progress: ProgressBar) -> str:
    """Write the tables and the picture from the run; return the caption.

    Raises:
        UserError: there is no run with these weights.
    """
    run = run_folder(config, folder)
    if not (run / "steps.csv").exists():
        raise UserError(f"{folder} has no such run with these weights; type `{settings_of(config)['made_by']}`")
    steps, beside, read = (read_table(run / f"{name}.csv") for name in ("steps", "obclip", "readings"))
    secure = _secure_rows(settings_of(config)["hides"], steps, int(beside["n"].iloc[0]))
    table = pd.DataFrame([*secure, *_obclip_rows(beside), *_other_rows(config, steps)])
    facts = f'Prompt: "{settings_of(config)["prompt"]}". Made by `{settings_of(config)["made_by"]}`.'
    same = f"SSIM of the finished image to the one without protection: {read['ssim'].iloc[-1]:.4f}."
    caption = write_results(config, folder, table, write_encrypted(config, folder, run), facts, same, _see())
    shutil.copyfile(run / PICTURE, folder / "mpc.png")
    return caption


def _see() -> str:
    return (
        "Operations under homomorphic encryption: [mpc_ckks.md](mpc_ckks.md); "
        "one latent fetched without saying which: [mpc_retrieval.md](mpc_retrieval.md)."
    )


def _secure_rows(hides: dict[str, str], steps: pd.DataFrame, n: int) -> list[dict[str, object]]:
    """One guided step of each variant, and all steps of the image's."""
    rows = []
    for (protocol, weights), found in steps.groupby(["protocol", "weights"], sort=False):
        for part in sorted({1, int(found["steps"].iloc[0])}):
            taken = found[found["step"] < part]
            rounds = int(taken.groupby("party")["messages"].sum().max())
            what = "one guided step" if part == 1 else f"{part} guided steps, the image"
            row = {
                "method": f"{protocol}, {weights} weights: {what}",
                "figure": "measured",
                "servers": found["party"].nunique(),
                "hides": f"{hides[str(protocol)]}{hides[str(weights)]}",
                "guess": f"1/{n}, as before",
                "megabytes": taken["bytes"].sum() / 1e6,
                "rounds": rounds,
                "cpu_seconds": taken["cpu_seconds"].sum(),
                "seconds": taken.groupby("step")["seconds"].max().sum(),
                "peak_megabytes": taken["peak_bytes"].max() / 1e6,
                "error_of_latents": taken["error_of_latents"].iloc[-1],
                "error_of_prediction": taken["error_of_prediction"].iloc[-1],
            }
            rows.append(row | _delays(rounds))
    return rows


def _delays(rounds: int) -> dict[str, object]:
    return {f"seconds_added_by_{delay}_ms": rounds * delay / 1000 for delay in DELAYS}


def _obclip_rows(beside: pd.DataFrame) -> list[dict[str, object]]:
    rows = []
    for sent, found in beside.groupby("sent", sort=False):
        n, middle = int(found["n"].iloc[0]), found.median(numeric_only=True)
        hidden = f"which of {n} candidates is real, {sent} of them sent, λ = {middle['lambda']:.3g}"
        rows.append(
            {
                "method": "the prompt in the clear" if sent == 1 else f"ObCLIP, {sent} candidates",
                "figure": "measured",
                "servers": 1,
                "hides": "nothing" if sent == 1 else hidden,
                "guess": f"1/{sent}",
                "megabytes": (middle["bytes_up"] + middle["bytes_down"]) / 1e6,
                "rounds": 1,
                "cpu_seconds": middle["cpu_seconds"],
                "seconds": middle["seconds"],
                "error_of_latents": middle["error_of_latents"],
            }
            | _delays(1)
        )
    return rows


def _other_rows(config: Config, steps: pd.DataFrame) -> list[dict[str, object]]:
    """What others report, and what SD-v1.4 would take."""
    hides = settings_of(config)["hides"]
    first = steps[(steps["protocol"] == steps["protocol"].iloc[0]) & (steps["step"] == 0)]
    first = first[first["weights"] == first["weights"].iloc[0]]
    times = macs_of("sd14-bksdm-small").total / macs_of(config.pair.name).total
    return [
        {
            "method": f"{first['protocol'].iloc[0]}, {first['weights'].iloc[0]} weights, SD-v1.4: one guided step",
            "figure": f"est.: measured CPU times {times:,.0f}, the ratio of multiply-accumulates",
            "servers": len(first),
            "hides": hides[first["protocol"].iloc[0]],
            "cpu_seconds": first["cpu_seconds"].sum() * times,
        },
        {
            "method": "HE-Diffusion",
            "figure": "the paper's, quoted there from another work: latency > 1e6 s (its Table 2)",
            "servers": 1,
            "hides": hides["HE-Diffusion"],
        },
    ]


def claims(config: Config, folder: Path) -> list[Claim]:
    """The claim of the docstring, from the run."""
    run = run_folder(config, folder)
    steps, beside = read_table(run / "steps.csv"), read_table(run / "obclip.csv")
    image = steps[steps["steps"] == config.hybrid.switch_point]
    cpu, sent = image["cpu_seconds"].sum(), image["bytes"].sum()
    told: list[str] = []
    least: list[float] = []
    for m, found in beside[beside["sent"] > 1].groupby("sent"):
        factors = sent / (found["bytes_up"] + found["bytes_down"]).max(), cpu / found["cpu_seconds"].max()
        least += factors
        told.append(f"N = {m}: {factors[0]:,.0f} times the bytes, {factors[1]:,.0f} times the CPU seconds")
    printed = paper_table(2)
    theirs = printed.loc[printed["method"] == "ObCLIP", "cloud_latency_s"].astype(float)
    return [
        Claim(
            "Cryptographic protection costs orders of magnitude more than ObCLIP.",
            "Table 2",
            f"HE-Diffusion, quoted there: latency > 1e6 s; ObCLIP {theirs.min():g} to {theirs.max():g} s",
            "; ".join(told),
            exactly(
                min(least) >= ORDERS,
                f"{config.hybrid.switch_point} steps of {config.pair.name} by ABY3 with secret weights: the smallest "
                f"factor is {min(least):,.0f}, at least {ORDERS} is asked; but it hides the whole prompt",
            ),
        )
    ]
