"""Train the embedded pair from nothing: `make mini`, or `python -m obclip_cli.mini`.

Stages, each resumable and skipped once finished: art, tokenizer, autoencoder, decoder, judge, cloud, device; then
check, release and card. Stop with Ctrl-C or SIGTERM; the next call resumes from the last checkpoint. To end early,
resume with `--steps` five quarters of the steps reached: the rate decays over the last fifth. Several processes may
share a stage: `torchrun --nproc-per-node 2 -m obclip_cli.mini --only cloud --threads 1`. Where there is a GPU it is
used; `art.npz` in the folder spares it npm, `--batch` and `--rate` fill its memory, `--minutes` keeps to a time that
is paid for.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist
import typer
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from obclip_cli.compose import compose_config
from obclip_cli.evaluation.methods import CLOUD_ONLY, baselines_and_obclip
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.mini import art, autoencoder, captions, card, check, device_training, diffusion_training, judge
from obclip_cli.mini.released import (
    adopt,
    keep_record,
    save_pipeline,
    training_record,
    write_reference,
    write_seen_reference,
)
from obclip_cli.mini.training import Recipe, compute_device, processes, start_of
from obclip_cli.report.progress import progress_bars
from obclip_cli.resources import package_folder


class Workshop:
    """The build folder: data, checkpoints and finished models of the embedded pair.

    Args:
        changes: what to train with instead of the recipe's (steps, batch_size ...).
    """

    def __init__(self, folder: Path, changes: Mapping[str, float]) -> None:
        self.folder, self.models, self.changes = folder, folder / "models", changes
        self.table, self.images = art.build(folder)
        self.tokenizer = self._tokenizer()

    @property
    def seen(self) -> np.ndarray:
        """Which pictures may be trained on, (n,) bool."""
        return ~self.table["held_out"].to_numpy()

    def _tokenizer(self) -> CLIPTokenizer:
        place = self.folder / "tokenizer"
        if not place.exists():
            texts = {words for picture in art.arts_of(self.table) for words in captions.wordings(picture)}
            captions.train_tokenizer(sorted(texts), place)
        return CLIPTokenizer.from_pretrained(place)

    def _recipe(self, stage: str, fresh: Recipe, continued: Recipe | None = None) -> Recipe:
        recipe = continued if continued and start_of(self.folder / stage).exists() else fresh
        return replace(recipe, **self.changes)  # type: ignore[arg-type]  # the names are main's

    def train_autoencoder(self) -> None:
        recipe = self._recipe("autoencoder", autoencoder.RECIPE)
        model = autoencoder.train(self.images, self.table, self.folder / "autoencoder", recipe)
        if model is not None:
            model.save_pretrained(self.models / "autoencoder")

    def train_decoder(self) -> None:
        model = AutoencoderKL.from_pretrained(self.models / "autoencoder")
        recipe = self._recipe("decoder", autoencoder.DECODER_RECIPE)
        trained = autoencoder.train_decoder(model, self.images, self.table, self.folder / "decoder", recipe)
        if trained is not None:
            trained.save_pretrained(self.models / "vae")

    def train_judge(self) -> None:
        recipe = self._recipe("judge", judge.RECIPE)
        trained = judge.train(self.images, self.table, self.tokenizer, self.folder / "judge", recipe)
        if trained is not None:
            judge.save(*trained, self.tokenizer, self.models / "judge")

    def train_cloud(self) -> None:
        recipe = self._recipe("cloud", diffusion_training.RECIPE, diffusion_training.CONTINUED)
        trained = diffusion_training.train_cloud(self._examples(), self.tokenizer, self.folder / "cloud", recipe)
        if trained is not None:
            unet, text_encoder = trained
            text_encoder.save_pretrained(self.models / "text_encoder")
            unet.save_pretrained(self.models / "cloud")

    def train_device(self) -> None:
        unet, text_encoder = self._cloud()
        recipe = self._recipe("device", device_training.RECIPE, device_training.CONTINUED)
        trained = device_training.train_device(unet, text_encoder, self._examples(), self.folder / "device", recipe)
        if trained is not None:
            trained.save_pretrained(self.models / "device")

    def release(self) -> None:
        """Put all models into the package, with the held-out art as the reference set."""
        weights = package_folder() / "mini" / "weights"
        unet, *others = self._cloud_parts()
        device = UNet2DConditionModel.from_pretrained(self.models / "device")
        save_pipeline(weights / "mini-cloud", unet, *others)
        save_pipeline(weights / "mini-device", device, *others)
        shutil.copytree(self.models / "judge", weights / "judge", dirs_exist_ok=True)
        write_reference(weights / "reference", self.table, self.images)
        write_seen_reference(weights / "reference_seen", self.table, self.images)
        keep_record(self.folder, STAGES)
        if (sheet := self.folder / "check" / check.SHEET).exists():
            shutil.copyfile(sheet, training_record() / check.SHEET)

    def write_card(self) -> None:
        """Score the released weights on 1,000 prompts and describe them."""
        weights = package_folder() / "mini" / "weights"
        # Without caches ObCLIP makes Hybrid SD's images, so hiding the prompt would show nothing new.
        config = compose_config(["pair=mini", "dataset=emoji", f"dataset.limit={card.PROMPTS}", "privacy=none"])
        methods = baselines_and_obclip(config, (5, 10))
        place = self.folder / "scores" / run_name(config, methods)  # new weights get a run of their own
        with progress_bars() as bar:
            scores, _, samples = run_benchmark(config, methods, place, bar)
        results = pd.read_csv(place / "results.csv")
        hits = results[results["method"] == CLOUD_ONLY].reset_index(drop=True)
        card.write_card(
            package_folder() / "mini" / "MODEL_CARD.md",
            table=self.table,
            images=self.images,
            vae=AutoencoderKL.from_pretrained(weights / "mini-cloud" / "vae"),
            cloud=UNet2DConditionModel.from_pretrained(weights / "mini-cloud" / "unet"),
            device=UNet2DConditionModel.from_pretrained(weights / "mini-device" / "unet"),
            scores=scores,
            tones=check.right_tones(hits["tone"], samples),
            missed=check.missed_roles(hits["role_top3"], samples),
            compared=pd.read_csv(self.folder / "check" / "scores.csv", index_col="model"),
            guidance_scale=config.pair.guidance_scale,
        )

    def check(self) -> None:
        """Compare the cloud model, finished or not, with the released one on held-out prompts."""
        place, done = self.folder / "check", json.loads((self.folder / "cloud" / "progress.json").read_text())
        save_pipeline(place / f"step-{done['steps']:06}" / "cloud", *self._cloud_parts())
        write_reference(place / "reference", self.table, self.images)
        clouds = {folder.parent.name: str(folder) for folder in sorted(place.glob("step-*/cloud"))}
        typer.echo(check.compare(place, clouds, judge=str(self.models / "judge")).to_string())

    def _cloud_parts(self) -> tuple[UNet2DConditionModel, AutoencoderKL, CLIPTextModel, CLIPTokenizer]:
        unet, text_encoder = self._cloud()
        return unet, self._vae(), text_encoder, self.tokenizer

    def _vae(self) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(self.models / "vae")

    def _cloud(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """The finished cloud model, or the averaged weights of its last checkpoint."""
        if not (self.models / "cloud").exists():
            channels = autoencoder.create().config.latent_channels
            return diffusion_training.averaged(self.tokenizer, channels, self.folder / "cloud" / "checkpoint.pt")
        unet = UNet2DConditionModel.from_pretrained(self.models / "cloud")
        return unet, CLIPTextModel.from_pretrained(self.models / "text_encoder")

    def _examples(self) -> diffusion_training.Examples:
        place = self.folder / "latents.pt"
        if not place.exists():
            vae = AutoencoderKL.from_pretrained(self.models / "autoencoder").to(compute_device())
            partial = place.with_suffix(f".{processes()[0]}")  # every process makes its own, the last one stays
            torch.save(autoencoder.encode(vae, self.images[self.seen]) * vae.config.scaling_factor, partial)
            partial.replace(place)
        latents = torch.load(place, weights_only=True)
        return diffusion_training.Examples.of(latents, self.table[self.seen], self.tokenizer)


STAGES = {
    "autoencoder": ("autoencoder", Workshop.train_autoencoder),
    "decoder": ("vae", Workshop.train_decoder),
    "judge": ("judge", Workshop.train_judge),
    "cloud": ("cloud", Workshop.train_cloud),
    "device": ("device", Workshop.train_device),
}


def main(
    folder: Annotated[Path, typer.Option(help="Where data and checkpoints are kept.")] = Path("build/mini"),
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these stages: {', '.join(STAGES)}, check, release, card.")
    ] = None,
    from_released: Annotated[bool, typer.Option(help="Without checkpoints: go on from the package's weights.")] = False,
    steps: Annotated[int | None, typer.Option(help="Number of training steps, instead of the recipe's.")] = None,
    minutes: Annotated[float | None, typer.Option(help="As many steps as fit in these minutes, a stage.")] = None,
    batch: Annotated[int | None, typer.Option(help="Examples a step instead of the recipe's.")] = None,
    rate: Annotated[float | None, typer.Option(help="Learning rate instead of the recipe's.")] = None,
    threads: Annotated[int, typer.Option(help="Threads to use; 0: torch's choice.")] = 0,
) -> None:
    """Train the embedded pair, or go on where it stopped."""
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    if threads:
        torch.set_num_threads(threads)
    if from_released and not start_of(folder / "cloud").exists():
        adopt(folder)
    torch.backends.cudnn.benchmark = True
    changes = {"steps": steps, "minutes": minutes, "batch_size": batch, "learning_rate": rate}
    workshop = Workshop(folder, {key: value for key, value in changes.items() if value is not None})
    for name, (model, train) in STAGES.items():
        if (only and name not in only) or (workshop.models / model).exists():
            continue
        train(workshop)
        if processes()[0] > 0:
            return
        if not (workshop.models / model).exists():
            typer.echo(f"stopped in stage {name}; the same command goes on from its checkpoint")
            raise typer.Exit(130)
    for name, finish in {"check": Workshop.check, "release": Workshop.release, "card": Workshop.write_card}.items():
        if not only or name in only:
            finish(workshop)


if __name__ == "__main__":
    typer.run(main)
