"""From prompts to files: images, contact sheets and the summary of a generation."""

import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import Config, plain
from obclip_cli.cost.architectures import Architecture
from obclip_cli.cost.run import run_macs
from obclip_cli.device.client import Client
from obclip_cli.errors import UserError
from obclip_cli.prompts.revealing import revealing_words
from obclip_cli.report.contact_sheet import write_contact_sheet
from obclip_cli.runs import environment, models, write_bytes, write_text
from obclip_cli.scheme import Outcome, cloud_only, oblivious_generation


@dataclass(frozen=True)
class Job:
    """One image to make, and the names of its files."""

    prompt: str
    seed: int
    suffix: str


def jobs_for(prompts: list[str], seed: int, images: int) -> list[Job]:
    """`images` jobs a prompt, with seeds seed, seed+1 ...; files are numbered where there are several."""
    pairs = [(prompt, seed + offset) for prompt in prompts for offset in range(images)]
    single = len(pairs) == 1
    return [Job(p, s, "" if single else f"_{place:03d}") for place, (p, s) in enumerate(pairs)]


def check_writable(folder: Path) -> None:
    """Make the folder and try to write into it, before any work is done.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder} ({error.strerror}); choose another folder with -o") from error


def generate(job: Job, client: Client, server: CloudServer, config: Config, folder: Path) -> dict[str, Any]:
    """Make one image, its contact sheet, and the facts about it."""
    outcome = oblivious_generation(client, server, job.prompt, job.seed)
    image = client.image(outcome.latents)[0]
    save_image(image, folder / f"image{job.suffix}.png")
    cloud = client.split.cloud
    whole = client.image(cloud_only(server, outcome.query, cloud))[0]
    small = client.image(client.alone(outcome.query))[0]
    write_contact_sheet(
        folder / f"contact_sheet{job.suffix}.png",
        title=f"{job.prompt}   (seed {job.seed}; below: what the cloud sent back after step {cloud.stop})",
        compared={"cloud only": whole, f"ObCLIP, k = {config.hybrid.switch_point}": image, "device only": small},
        candidates=dict(zip(outcome.request.candidates, client.image(outcome.candidate_latents), strict=True)),
    )
    return facts(job, outcome, client, server, config)


def save_image(image: torch.Tensor, path: Path) -> None:
    """Write one image (3, H, W) in [0, 1] as PNG, whole or not at all."""
    content = io.BytesIO()
    Image.fromarray((image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()).save(content, format="png")
    write_bytes(path, content.getvalue())


def facts(job: Job, outcome: Outcome, client: Client, server: CloudServer, config: Config) -> dict[str, Any]:
    """What the cloud saw and what each side did, under stable names."""
    candidates = outcome.request.candidates
    models = Architecture.of(server.pipeline), Architecture.of(client.pipeline)
    on_cloud, on_device = run_macs(
        *models, client.split, cache=config.cache, candidates=len(candidates), batch=config.rows_at_once
    )
    return {
        "prompt": job.prompt,
        "seed": job.seed,
        "image": f"image{job.suffix}.png",
        "contact_sheet": f"contact_sheet{job.suffix}.png",
        "attributes": [
            {"person": person, "attribute": attribute, "value": value}
            for (person, attribute), value in outcome.query.candidates.slots.items()
        ],
        "left_out": list(outcome.query.candidates.left_out),
        "may_reveal": [
            {"word": revealing.word, "attribute": revealing.attribute}
            for revealing in revealing_words(outcome.query.prompt, client.taxonomy)
        ],
        "n": outcome.query.n,
        "m": len(candidates),
        "lambda": round(outcome.query.lambda_, 9),
        "cloud_saw": list(candidates),
        "bytes_up": outcome.bytes_up,
        "bytes_down": outcome.bytes_down,
        "cloud_steps": client.split.cloud_steps,
        "device_steps": client.split.device_steps,
        "cloud_macs": sum(step.total for step in on_cloud),
        "device_macs": sum(step.total for step in on_device),
        "cloud_seconds": round(outcome.cloud_seconds, 3),
        "device_seconds": round(outcome.device_seconds, 3),
    }


def write_summary(folder: Path, config: Config, images: list[dict[str, Any]]) -> None:
    """Write `summary.json`: the composed configuration, versions and hardware, and the facts of every image."""
    facts = {"config": plain(config), "environment": environment(), "models": models(config), "images": images}
    write_text(folder / "summary.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
