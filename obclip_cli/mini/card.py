"""Write MODEL_CARD.md of the embedded pair: everything in it is measured when it is written."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from diffusers import AutoencoderKL, UNet2DConditionModel

from obclip_cli.cost.macs import pass_macs
from obclip_cli.mini import check
from obclip_cli.mini.art import HELD_OUT_SHARE, STYLES
from obclip_cli.mini.autoencoder import held_out_psnr
from obclip_cli.mini.captions import MAX_TOKENS
from obclip_cli.mini.released import training_record
from obclip_cli.report.tables import with_intervals
from obclip_cli.runs import environment

STAGES = ("autoencoder", "decoder", "judge", "cloud", "device")
PROMPTS = 1000


def write_card(
    path: Path,
    *,
    table: pd.DataFrame,
    images: np.ndarray,
    vae: AutoencoderKL,
    cloud: UNet2DConditionModel,
    device: UNet2DConditionModel,
    scores: pd.DataFrame,
    tones: pd.DataFrame,
    missed: pd.DataFrame,
    compared: pd.DataFrame,
    guidance_scale: float,
) -> None:
    """Fill `model_card_template.md`.

    Args:
        scores: `scores.csv` of `obclip eval --dataset emoji` on the released weights.
        tones: `check.right_tones` of the cloud's images.
        missed: `check.missed_roles` of them.
        compared: `scores.csv` of the last check: one row a cloud model, those released so far first.
    """
    large, small = (pass_macs(unet.config, MAX_TOKENS).total for unet in (cloud, device))
    people = table[(table["category"] == "person") & (table["tone"] != "")]
    held_out = people[people["held_out"]]
    by_method = scores.set_index("method")
    shown = with_intervals(scores)
    text = Path(__file__).with_name("model_card_template.md").read_text(encoding="utf-8")
    filled = text.format(
        pictures=len(table),
        styles=", ".join(f"{name} {(table['style'] == key).sum():,}" for key, name in STYLES.items()),
        people=len(people),
        share=HELD_OUT_SHARE,
        held_out=len(held_out),
        held_out_of_a_gender=(held_out["gender"] != "").sum(),
        vae_size=vae.num_parameters() / 1e6,
        channels=vae.config.latent_channels,
        cloud_size=cloud.num_parameters() / 1e6,
        cloud_mmac=large / 1e6,
        widths=tuple(cloud.config.block_out_channels),
        device_size=device.num_parameters() / 1e6,
        device_mmac=small / 1e6,
        training="\n".join(_training(stage) for stage in STAGES),
        where=environment(),
        prompts=PROMPTS,
        guidance_scale=guidance_scale,
        scores=shown.astype(object).where(shown.notna(), "").to_markdown(index=False),
        best=by_method.loc["cloud-only"],
        psnr=held_out_psnr(vae, images[table["held_out"].to_numpy()]),
        ratio=small / large,
        order=_order(by_method["fid"]),
        tones=tones.to_markdown(),
        lowest=lowest(tones),
        missed=missed.to_markdown() if len(missed) else "(none is missed)",
        apart=intervals_apart(by_method.T["cloud-only"], by_method.T["device-only"]),
        checked=check.PROMPTS,
        compared=compared.T.to_markdown(),
    )
    path.write_text(filled, encoding="utf-8")


def _training(stage: str) -> str:
    done = json.loads((training_record() / f"{stage}.json").read_text())
    return f"| {stage} | {done['steps']:,} | {done['images']:,} | {done['minutes']:.0f} |"


def _order(fids: pd.Series) -> str:
    names = ["cloud-only", "Hybrid SD, k=10", "Hybrid SD, k=5", "device-only"]
    values = [float(fids[name]) for name in names]
    rising = all(a < b for a, b in pairwise(values))
    return f"{' , '.join(f'{v:.2f}' for v in values)}: {'holds' if rising else 'does not hold'}"


def lowest(tones: pd.DataFrame) -> str:
    """The lowest share of any whole style or whole tone, and which it is.

    Args:
        tones: as `check.right_tones` makes them.
    """
    whole = pd.concat([tones["all"], tones.loc["all"]]).drop("all")
    return f"{whole.min()} ({whole.idxmin()})"


def intervals_apart(cloud: pd.Series, device: pd.Series) -> str:
    """Whether the device is worse and the intervals of both models do not meet, score by score.

    Args:
        cloud, device: the rows of `scores.csv`.
    """
    worse = {
        "fid": device["fid_low"] > cloud["fid_high"],
        "role_top3": device["role_top3_high"] < cloud["role_top3_low"],
        "tone": device["tone_high"] < cloud["tone_low"],
    }
    return ", ".join(f"{score}: {'yes' if apart else 'no'}" for score, apart in worse.items())
