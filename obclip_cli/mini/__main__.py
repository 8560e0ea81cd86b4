"""Train the embedded pair from nothing: `make mini`, or `python -m obclip_cli.mini`.

Stages, each resumable and skipped once finished: art, tokenizer, autoencoder, judge, cloud, device, release, card.
Stop with Ctrl-C or SIGTERM at any time; the next call goes on from the last checkpoint. Several processes may share a
stage: `torchrun --nproc-per-node 2 -m obclip_cli.mini --only cloud --threads 1`.
"""

import os
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
from obclip_cli.evaluation.methods import baselines_and_obclip
from obclip_cli.evaluation.score import run_benchmark
from obclip_cli.evaluation.store import run_name
from obclip_cli.mini import art, autoencoder, captions, card, device_training, diffusion_training, judge
from obclip_cli.mini.pipeline_folders import save_pipeline
from obclip_cli.mini.reference import write_reference
from obclip_cli.mini.released import adopt, keep_record
from obclip_cli.mini.training import Recipe, processes
from obclip_cli.report.progress import progress_bars
from obclip_cli.resources import package_folder


class Workshop:
    """The build folder: data, checkpoints and finished models of the embedded pair.

    Args:
        steps: train for so many steps instead of the recipe's.
    """

    def __init__(self, folder: Path, steps: int | None = None) -> None:
        self.folder, self.models, self.steps = folder, folder / "models", steps
        self.table, self.images = art.build(folder)
        self.tokenizer = self._tokenizer()

    @property
    def seen(self) -> np.ndarray:
        """Which pictures may be trained on, (n,) bool."""
        return ~self.table["held_out"].to_numpy()

    def _recipe(self, recipe: Recipe) -> Recipe:
        return recipe if self.steps is None else replace(recipe, steps=self.steps)

    def _tokenizer(self) -> CLIPTokenizer:
        place = self.folder / "tokenizer"
        if not place.exists():
            texts = {words for picture in art.arts_of(self.table) for words in captions.wordings(picture)}
            captions.train_tokenizer(sorted(texts), place)
        return CLIPTokenizer.from_pretrained(place)

    def train_autoencoder(self) -> None:
        recipe = self._recipe(autoencoder.RECIPE)
        model = autoencoder.train(self.images, self.table, self.folder / "autoencoder", recipe)
        if model is not None:
            model.save_pretrained(self.models / "vae")

    def train_judge(self) -> None:
        recipe = self._recipe(judge.RECIPE)
        trained = judge.train(self.images, self.table, self.tokenizer, self.folder / "judge", recipe)
        if trained is not None:
            judge.save(*trained, self.tokenizer, self.models / "judge")

    def train_cloud(self) -> None:
        recipe = self._recipe(diffusion_training.RECIPE)
        trained = diffusion_training.train_cloud(self._examples(), self.tokenizer, self.folder / "cloud", recipe)
        if trained is not None:
            unet, text_encoder = trained
            text_encoder.save_pretrained(self.models / "text_encoder")
            unet.save_pretrained(self.models / "cloud")

    def train_device(self) -> None:
        unet, text_encoder = self._cloud()
        recipe = self._recipe(device_training.RECIPE)
        trained = device_training.train_device(unet, text_encoder, self._examples(), self.folder / "device", recipe)
        if trained is not None:
            trained.save_pretrained(self.models / "device")

    def release(self) -> None:
        """Put all models into the package, with the held-out art as the reference set."""
        weights = package_folder() / "mini" / "weights"
        unet, text_encoder = self._cloud()
        device = UNet2DConditionModel.from_pretrained(self.models / "device")
        save_pipeline(weights / "mini-cloud", unet, self._vae(), text_encoder, self.tokenizer)
        save_pipeline(weights / "mini-device", device, self._vae(), text_encoder, self.tokenizer)
        (weights / "judge").mkdir(parents=True, exist_ok=True)
        for path in (self.models / "judge").iterdir():
            (weights / "judge" / path.name).write_bytes(path.read_bytes())
        write_reference(weights / "reference", self.table, self.images)
        keep_record(self.folder, STAGES)

    def write_card(self) -> None:
        """Score the released weights on 500 prompts and describe them."""
        weights = package_folder() / "mini" / "weights"
        config = compose_config(["pair=mini", "dataset=emoji", "dataset.limit=500"])
        methods = baselines_and_obclip(config, (5, 10))
        place = self.folder / "scores" / run_name(config, methods)  # new weights get a run of their own
        with progress_bars() as bar:
            run_benchmark(config, methods, place, bar)
        card.write_card(
            package_folder() / "mini" / "MODEL_CARD.md",
            table=self.table,
            images=self.images,
            vae=AutoencoderKL.from_pretrained(weights / "mini-cloud" / "vae"),
            cloud=UNet2DConditionModel.from_pretrained(weights / "mini-cloud" / "unet"),
            device=UNet2DConditionModel.from_pretrained(weights / "mini-device" / "unet"),
            scores=pd.read_csv(place / "scores.csv"),
            guidance_scale=config.pair.guidance_scale,
        )

    def _vae(self) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(self.models / "vae")

    def _cloud(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """The finished cloud model, or the averaged weights of its last checkpoint."""
        if not (self.models / "cloud").exists():
            channels = self._vae().config.latent_channels
            return diffusion_training.averaged(self.tokenizer, channels, self.folder / "cloud" / "checkpoint.pt")
        unet = UNet2DConditionModel.from_pretrained(self.models / "cloud")
        return unet, CLIPTextModel.from_pretrained(self.models / "text_encoder")

    def _examples(self) -> diffusion_training.Examples:
        place = self.folder / "latents.pt"
        if not place.exists():
            vae = self._vae()
            torch.save(autoencoder.encode(vae, self.images[self.seen]) * vae.config.scaling_factor, place)
        latents = torch.load(place, weights_only=True)
        return diffusion_training.Examples.of(latents, self.table[self.seen], self.tokenizer)


STAGES = {
    "autoencoder": ("vae", Workshop.train_autoencoder),
    "judge": ("judge", Workshop.train_judge),
    "cloud": ("cloud", Workshop.train_cloud),
    "device": ("device", Workshop.train_device),
}


def main(
    folder: Annotated[Path, typer.Option(help="Where data and checkpoints are kept.")] = Path("build/mini"),
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only these stages: {', '.join(STAGES)}, release, card.")
    ] = None,
    from_released: Annotated[bool, typer.Option(help="Without checkpoints: go on from the package's weights.")] = False,
    steps: Annotated[int | None, typer.Option(help="Train for so many steps instead of the recipe's.")] = None,
    threads: Annotated[int, typer.Option(help="Threads to use; 0: torch's choice.")] = 0,
) -> None:
    """Train the embedded pair, or go on where it stopped."""
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    if threads:
        torch.set_num_threads(threads)
    if from_released and not (folder / "cloud" / "checkpoint.pt").exists():
        adopt(folder)
    workshop = Workshop(folder, steps)
    for name, (model, train) in STAGES.items():
        if (only and name not in only) or (workshop.models / model).exists():
            continue
        train(workshop)
        if processes()[0] > 0:
            return
        if not (workshop.models / model).exists():
            typer.echo(f"stopped in stage {name}; the same command goes on from its checkpoint")
            raise typer.Exit(130)
    for name, finish in {"release": Workshop.release, "card": Workshop.write_card}.items():
        if not only or name in only:
            finish(workshop)


if __name__ == "__main__":
    typer.run(main)
