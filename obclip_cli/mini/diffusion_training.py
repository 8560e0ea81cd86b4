"""Train the cloud UNet of the embedded pair together with its text encoder, on latents of emoji art."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel, compute_snr
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from obclip_cli.mini.art import arts_of
from obclip_cli.mini.captions import MAX_TOKENS, tokenize, wordings
from obclip_cli.mini.training import Losses, Recipe, Training, autocast, compute_device, start_of

RECIPE = Recipe(steps=14000, batch_size=64, learning_rate=8e-4)
# From released weights, which have decayed already: at the full rate 1,500 steps made them worse.
CONTINUED = Recipe(steps=2200, batch_size=64, learning_rate=3e-4)
SNR_CAP = 5.0
# How much oftener a tone of a style is drawn than the others: the weights released first learnt these two swapped.
OFTENER = {("fluent-3d", "medium-light"): 2.0, ("fluent-3d", "medium"): 2.0}
# How much oftener a pose is drawn that has a mirrored twin: it often came out facing the wrong way.
MIRRORED = 4.0
# Sampling begins with noise alone, but this schedule leaves some of the picture in its last step (Lin et al., arXiv
# 2305.08891): enough to learn there, from it and not from words, which way a person faces. So this share of a batch is
# noise alone. The device learns without: what it goes on from was begun by the cloud.
NOISE_ALONE = 0.2
FACING_RIGHT = " facing right"
PEOPLE_SHARE = 0.78
CAPTION_DROPOUT = 0.10
TEXT_WIDTH = 192
# Stable Diffusion's noise schedule, with v-prediction, which learns faster at this size.
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "steps_offset": 1,
}


def create_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained CLIP text encoder for the small vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=MAX_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def create_cloud(latent_channels: int) -> UNet2DConditionModel:
    """An untrained cloud UNet: SD's blocks, two resnet/attention pairs a block, a mid block."""
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(32, 96, 192),
        layers_per_block=2,
        attention_head_dim=4,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
    )


@dataclass(frozen=True)
class Examples:
    """Training examples: scaled latents (n, 8, 16, 16), tokens of every wording, and how often each is drawn.

    `tokens` is (n, w, MAX_TOKENS); rows with fewer wordings repeat them, so each is equally likely.
    `people` (n,) is 0 for other pictures, `others` (n,) 0 for people.
    """

    latents: torch.Tensor
    tokens: torch.Tensor
    people: torch.Tensor
    others: torch.Tensor
    no_caption: torch.Tensor

    @classmethod
    def of(cls, latents: torch.Tensor, table: pd.DataFrame, tokenizer: CLIPTokenizer) -> "Examples":
        arts = arts_of(table)
        texts = [wordings(art) for art in arts]
        widest = max(len(words) for words in texts)
        repeated = [words[i % len(words)] for words in texts for i in range(widest)]
        people = draw_weights(table)
        return cls(
            latents=latents,
            tokens=tokenize(tokenizer, repeated).view(len(arts), widest, MAX_TOKENS),
            people=people,
            others=(people == 0).float(),
            no_caption=tokenize(tokenizer, [""])[0],
        )

    def batch(self, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (size, 8, 16, 16) and tokens (size, MAX_TOKENS): people first, captions dropped at random."""
        people = round(size * PEOPLE_SHARE)
        parts = (self.people, people), (self.others, size - people)
        rows = torch.cat([torch.multinomial(w, n, replacement=True, generator=generator) for w, n in parts])
        wording = torch.randint(self.tokens.shape[1], (size,), generator=generator)
        tokens = self.tokens[rows, wording]
        tokens[torch.rand(size, generator=generator) < CAPTION_DROPOUT] = self.no_caption
        return self.latents[rows], tokens


def draw_weights(table: pd.DataFrame) -> torch.Tensor:
    """How often each picture of a person is drawn, (n,): styles evenly, tones (and none) evenly within a style.

    Within a tone of a style, poses that face either way are drawn `MIRRORED` times as often as other pictures.
    """
    people = table[table["category"] == "person"]
    groups = [people["style"], people["tone"]]
    poses = people["role"].str.removesuffix(FACING_RIGHT)
    mirrored = poses.isin(set(poses[people["role"] != poses]))
    share = mirrored.map({True: MIRRORED, False: 1.0})
    oftener = [OFTENER.get(group, 1.0) for group in zip(*groups, strict=True)]
    weights = (share * oftener / share.groupby(groups).transform("sum")).reindex(table.index, fill_value=0.0)
    return torch.tensor(weights.to_numpy(), dtype=torch.float32)


def capped_snr_weights(scheduler: DDPMScheduler, timesteps: torch.Tensor) -> torch.Tensor:
    """Loss weights (n,) that stop growing with the signal: min(SNR, cap) + 1 over SNR + 1, for v-prediction.

    After min-SNR (Hang et al., arXiv 2303.09556), but 1 where the noise prevails. Their min(SNR, cap) / (SNR + 1)
    goes to 0 there, where words matter most: a wrong tone word raises the loss by 63 % at an SNR of 0.006 and
    by 4 % at 6.6.
    """
    snr = compute_snr(scheduler, timesteps)
    return (snr.clamp(max=SNR_CAP) + 1) / (snr + 1)


def noised(
    scheduler: DDPMScheduler,
    latents: torch.Tensor,
    generator: torch.Generator,
    device: torch.device,
    noise_alone: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy latents, their timesteps (stratified over the batch) and the velocity to predict, on `device`.

    The random numbers are the CPU's everywhere.

    Args:
        noise_alone: share of the rows that begin where sampling does, at the last step without the picture.
    """
    size = len(latents)
    spread = (torch.arange(size) + torch.rand(size, generator=generator)) / size
    spread = spread[torch.randperm(size, generator=generator)]
    last = scheduler.config.num_train_timesteps - 1
    alone = torch.rand(size, generator=generator) < noise_alone
    timesteps = (spread * (last + 1)).long().masked_fill(alone, last).to(device)
    noise = torch.randn(latents.shape, generator=generator).to(device)
    latents = latents.to(device)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    noisy = torch.where(alone.to(device)[:, None, None, None], noise, noisy)
    return noisy, timesteps, scheduler.get_velocity(latents, noise, timesteps)


def train_cloud(
    examples: Examples, tokenizer: CLIPTokenizer, folder: Path, recipe: Recipe = RECIPE
) -> tuple[UNet2DConditionModel, CLIPTextModel] | None:
    """Train UNet and text encoder together, from `folder/start` if it is there; None if stopped before the end."""
    torch.manual_seed(recipe.seed)
    text_encoder = create_text_encoder(tokenizer)
    unet = create_cloud(examples.latents.shape[1]).to(memory_format=torch.channels_last)
    if (start := start_of(folder)).exists():
        unet.load_state_dict(UNet2DConditionModel.from_pretrained(start / "unet").state_dict())
        text_encoder.load_state_dict(CLIPTextModel.from_pretrained(start / "text_encoder").state_dict())
    scheduler, device = DDPMScheduler(**NOISE), compute_device()
    weights = capped_snr_weights(scheduler, torch.arange(scheduler.config.num_train_timesteps)).to(device)

    def loss(generator: torch.Generator) -> Losses:
        latents, tokens = examples.batch(recipe.share, generator)
        noisy, timesteps, velocity = noised(scheduler, latents, generator, device, NOISE_ALONE)
        with autocast(device):
            noisy = noisy.contiguous(memory_format=torch.channels_last)
            embeds = text_encoder(tokens.to(device)).last_hidden_state
            predicted = unet(noisy, timesteps, embeds).sample
        errors = (predicted.float() - velocity).square().mean((1, 2, 3))
        return {"velocity": (weights[timesteps] * errors).mean()}

    training = Training("cloud", nn.ModuleDict({"unet": unet, "text": text_encoder}), recipe, folder, loss)
    if not training.run():
        return None
    training.use_average()
    return unet, text_encoder


def averaged(
    tokenizer: CLIPTokenizer, latent_channels: int, checkpoint: Path
) -> tuple[UNet2DConditionModel, CLIPTextModel]:
    """The averaged weights of a checkpoint, finished or not.

    Raises:
        FileNotFoundError: training has not begun.
    """
    unet, text_encoder = create_cloud(latent_channels), create_text_encoder(tokenizer)
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")
    average = EMAModel(nn.ModuleDict({"unet": unet, "text": text_encoder}).parameters())
    average.load_state_dict(state["ema"])
    average.copy_to([*unet.parameters(), *text_encoder.parameters()])
    return unet, text_encoder
