"""Write MODEL_CARD.md of the embedded pair: everything in it is measured when it is written."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from obclip_cli.cost.macs import pass_macs
from obclip_cli.mini import check
from obclip_cli.mini.art import HELD_OUT_SHARE, STYLES
from obclip_cli.mini.autoencoder import held_out_psnr
from obclip_cli.mini.captions import MAX_TOKENS
from obclip_cli.mini.released import training_record
from obclip_cli.report.tables import with_intervals
from obclip_cli.runs import environment

STAGES = ("autoencoder", "judge", "cloud", "device")
PROMPTS = 1000
TARGETS = """
| target | wanted | reached |
| --- | --- | --- |
| cloud: skin tone right | at least 0.93 | {tone} |
| cloud: gender right | at least 0.96 | {gender} |
| cloud: role in the judge's top 3 | at least 0.98 | {role} |
| autoencoder on held-out art | at least 32 dB | {psnr:.1f} dB |
| device / cloud multiply-accumulates | at most 0.333 | {ratio:.3f} |
| judge FID | cloud < hybrid k=10 < hybrid k=5 < device | {order} |
"""


def write_card(
    path: Path,
    *,
    table: pd.DataFrame,
    images: np.ndarray,
    vae: AutoencoderKL,
    cloud: UNet2DConditionModel,
    device: UNet2DConditionModel,
    scores: pd.DataFrame,
    compared: pd.DataFrame,
    guidance_scale: float,
) -> None:
    """Fill the card.

    Args:
        scores: `scores.csv` of `obclip eval --dataset emoji` on the released weights.
        compared: `scores.csv` of the last check, before the release: one row a model, the ones released so far first.
    """
    large, small = (pass_macs(unet.config, MAX_TOKENS).total for unet in (cloud, device))
    by_method = scores.set_index("method")
    best = by_method.loc["cloud-only"]
    targets = TARGETS.format(
        tone=best["tone"],
        gender=best["gender"],
        role=best["role_top3"],
        psnr=held_out_psnr(vae, images[table["held_out"].to_numpy()]),
        ratio=small / large,
        order=_order(by_method["fid"]),
    )
    sections = [
        "# Model card: the embedded pair `mini`\n",
        "A latent diffusion model of emoji people (cloud), a smaller one cut and distilled from it (device), and a",
        "judge to score them. Real models, small enough to run anywhere; made to show how the scheme behaves, not to",
        "draw well. Everything below is written by `python -m obclip_cli.mini` from what it measured.\n",
        "## Data\n",
        _data(table),
        "## Models\n",
        _models(vae, cloud, device, large, small),
        "## Training\n",
        _training(),
        "## Scores\n",
        f"On {PROMPTS:,} prompts of held-out combinations, 25 DPM-Solver++ steps, guidance {guidance_scale:g}, seed 0.",
        "The guidance was chosen on 300 combinations seen in training. The first row is the judge on real held-out",
        "art, the ceiling of every other row.\n",
        _scores(scores),
        targets.strip() + "\n",
        "## Before and now\n",
        f"The cloud released before, and this one, on {check.PROMPTS} of these prompts: scores, then right tones.\n",
        compared.iloc[[0, -1]].T.to_markdown() + "\n",
        LIMITS,
    ]
    path.write_text("\n".join(sections))


def _scores(scores: pd.DataFrame) -> str:
    table = with_intervals(scores)
    return table.astype(object).where(table.notna(), "").to_markdown(index=False) + "\n"


LIMITS = """## Limits

- The judge is small and has seen only this art. Its FID and CLIP score compare rows of one table; they are not
  comparable with Inception FID or with the paper's figures.
- The loss was still falling when training ended (see the curves above): longer training would go on helping.
- People are drawn as emoji draw them: two genders and five skin tones of the Unicode standard, which are no
  description of real people.
- Age is said by few pictures (child, old); objects, hands and groups are trained on little and come out poorly.
- Prompts outside the captions' vocabulary have no meaning to the text encoder.

## Licence

Weights: Apache-2.0. The art they learnt from and the reference images are credited in NOTICE: Noto Emoji
(Apache-2.0), Twemoji (CC-BY-4.0), Fluent Emoji (MIT), names from Unicode CLDR by way of emojibase.
"""


def _order(fids: pd.Series) -> str:
    names = ["cloud-only", "Hybrid SD, k=10", "Hybrid SD, k=5", "device-only"]
    values = [float(fids[name]) for name in names]
    rising = all(a < b for a, b in pairwise(values))
    return f"{' , '.join(f'{v:.2f}' for v in values)}: {'holds' if rising else 'does not hold'}"


def _data(table: pd.DataFrame) -> str:
    people = table[(table["category"] == "person") & (table["tone"] != "")]
    counts = ", ".join(f"{name} {(table['style'] == key).sum():,}" for key, name in STYLES.items())
    held_out = people[people["held_out"]]
    return (
        f"{len(table):,} pictures of 64x64 on white ({counts}),\n"
        f"of which {len(people):,} show one person in a stated skin tone. Held out of all training,\n"
        f"the judge's too: {HELD_OUT_SHARE:.0%} of the combinations of role, gender, age, tone and style,\n"
        f"drawn by hash: {len(held_out)} pictures, {(held_out['gender'] != '').sum()} of them with a stated gender,\n"
        "which are the reference set. A held-out combination may occur in another style in training.\n"
    )


def _models(
    vae: AutoencoderKL, cloud: UNet2DConditionModel, device: UNet2DConditionModel, large: int, small: int
) -> str:
    return (
        "| model | parameters (M) | MMAC a pass | what |\n| --- | --- | --- | --- |\n"
        f"| autoencoder | {_millions(vae)} | | AutoencoderKL, factor 4, {vae.config.latent_channels} channels |\n"
        f"| mini-cloud | {_millions(cloud)} | {large / 1e6:.0f} | UNet2DConditionModel, "
        f"widths {tuple(cloud.config.block_out_channels)}, two pairs a block, mid block |\n"
        f"| mini-device | {_millions(device)} | {small / 1e6:.0f} | the cloud's, without mid block, innermost stage "
        "and second pairs; distilled (BK-SDM) |\n"
    )


def _training() -> str:
    rows = ["| stage | steps | images seen | minutes |", "| --- | --- | --- | --- |"]
    for stage in STAGES:
        done = json.loads((training_record() / f"{stage}.json").read_text())
        rows.append(f"| {stage} | {done['steps']:,} | {done['images']:,} | {done['minutes']:.0f} |")
    where = environment()
    rows.append(
        f"\nOn {where['processor']}, torch {where['torch']}. bf16 autocast where the processor has it, else fp32."
    )
    rows += [f"\n![{stage}]({training_record().name}/{stage}.png)" for stage in STAGES]
    return "\n".join(rows) + "\n"


def _millions(model: nn.Module) -> str:
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}"
