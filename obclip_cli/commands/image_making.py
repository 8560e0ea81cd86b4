"""What `obclip generate` does after the prompts are checked: load, make each image and draw its contact sheet."""

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image

from obclip_cli import threads
from obclip_cli.cloud.server import CloudServer
from obclip_cli.commands import options as o
from obclip_cli.commands.image_folder import ImageFolder, Job
from obclip_cli.pipeline import ObCLIPOutput, ObCLIPPipeline, cloud_only
from obclip_cli.report.contact_sheet import Strip, enlarged, write_contact_sheet
from obclip_cli.report.progress import Parts, parts
from obclip_cli.runs import check_writable, write_bytes

VIEWABLE = 512  # pixels
CLOUD, DEVICE = "the cloud's steps", "the device's steps"


def make_images(images: ImageFolder, *, shown: bool) -> None:
    """Make what a folder lacks, image by image; Ctrl-C leaves a record of the one that was stopped.

    Raises:
        UserError: a model cannot be loaded, the server does not answer, or the folder cannot be written.
    """
    with parts(shown=shown) as at:
        with at.part("loading the models"):
            pipe = ObCLIPPipeline.from_config(images.config, lambda done, of: at.show(CLOUD, done, of))
        if pipe.server_logs_prompts:
            o.warn("the server writes every prompt that it sees to its log")
        check_writable(images.folder)  # last, so that models which cannot be loaded leave no empty folder behind
        loaded = {"load_seconds": round(at.seconds["loading the models"], 3), "threads": threads.in_words()}
        for job in images.left:
            try:
                with steps_shown(pipe, at):
                    facts = _image(job, pipe, images, at)
            except KeyboardInterrupt:
                images.stop(job, at.name, at.done)
                raise
            images.add(job, facts | loaded)


@contextmanager
def steps_shown(pipe: ObCLIPPipeline, at: Parts) -> Iterator[None]:
    """Count the passes of both models while they run."""
    split, handles = pipe.client.split, []
    sides = [(pipe.client.pipeline.unet, DEVICE, split.device_steps)]
    if isinstance(pipe.server, CloudServer) and pipe.server.pipeline.unet is not pipe.client.pipeline.unet:
        sides.append((pipe.server.pipeline.unet, CLOUD, split.cloud_steps))
    for unet, name, steps in sides:

        def begun(*_: Any, name: str = name, steps: int = steps) -> None:
            done = at.done + 1 if at.name == name else 1
            at.show(name, done, steps if done <= steps else None)  # a large set of candidates takes several rounds

        handles.append(unet.register_forward_pre_hook(begun))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _image(job: Job, pipe: ObCLIPPipeline, images: ImageFolder, at: Parts) -> dict[str, Any]:
    """Make one image and what is wanted beside it; the facts about it."""
    output = pipe(job.reading or job.prompt, job.picture, seed=job.seed)
    facts: dict[str, Any] = pipe.facts(output) | {"image": f"image{job.suffix}.png"}
    facts |= {} if job.picture is None else {"picture": job.picture.facts}
    save_image(output.images[0], images.folder / facts["image"])
    if "upscaled" in images.wanted:
        facts["upscaled"] = f"image{job.suffix}_large.png"
        save_image(enlarged(output.images[0], VIEWABLE), images.folder / facts["upscaled"])
    compared = {f"ObCLIP, k = {pipe.config.hybrid.switch_point}": output.images[0]}
    if "comparison_seconds" in images.wanted:
        started = time.perf_counter()
        compared = _alone(pipe, output, compared)
        facts["comparison_seconds"] = round(time.perf_counter() - started, 3)
    if "contact_sheet" in images.wanted:
        started = time.perf_counter()
        at.show("contact sheet", 0, None)
        facts["contact_sheet"] = f"contact_sheet{job.suffix}.png"
        _write_sheet(job, pipe, output, compared, images.folder / facts["contact_sheet"])
        facts["sheet_seconds"] = round(time.perf_counter() - started, 3)
    return facts


def save_image(image: Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    content = io.BytesIO()
    image.save(content, format="png")
    write_bytes(path, content.getvalue())


def _alone(pipe: ObCLIPPipeline, output: ObCLIPOutput, ours: dict[str, Image]) -> dict[str, Image]:
    """Our image between those of either model alone from the same noise."""
    query, found = output.outcome.query, {}
    if isinstance(pipe.server, CloudServer):  # another machine would have to be shown the prompt
        (found["cloud only"],) = pipe.decode(cloud_only(pipe.server, query, pipe.client.split.cloud))
    found |= ours
    (found["device only"],) = pipe.decode(pipe.client.alone(query))
    return found


def _write_sheet(job: Job, pipe: ObCLIPPipeline, output: ObCLIPOutput, compared: dict[str, Image], path: Path) -> None:
    """The image, and each candidate that came back: its latent as it is, and the clean image that it foretells."""
    outcome, k = output.outcome, pipe.client.split.cloud_steps
    foretold, by = outcome.candidate_history, "by the solver's last prediction, which came back with it"
    if foretold is None:
        rows = max(1, pipe.config.rows_at_once // 2)
        foretold = pipe.client.foretold(outcome.request, outcome.candidate_latents, rows=rows)
        by = "by one pass of the device's model; the server has its own"
    shown = [outcome.candidate_latents] + ([] if foretold is None else [foretold.cpu()])
    decoded = pipe.decode(torch.cat(shown))
    n = len(outcome.candidate_latents)
    pairs = [decoded[place::n] for place in range(n)]
    heading = f"What the cloud sent back after its {k} steps, one latent a candidate; which is real is not marked."
    if foretold is not None:
        heading += f" Right of each: the clean image that it foretells ({by}): about what the server could see."
    strips = [
        Strip(
            f"seed {job.seed}, {pipe.config.hybrid.steps} steps", [(name, [image]) for name, image in compared.items()]
        ),
        Strip(heading, list(zip(output.candidates, pairs, strict=True))),
    ]
    write_contact_sheet(path, title=job.prompt, strips=strips)
