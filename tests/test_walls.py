"""The trust boundary: what the cloud can import, is told, and can see."""

import re
import subprocess
import sys
from dataclasses import fields
from itertools import combinations
from pathlib import Path

import pytest
import torch
from PIL import Image

from obclip_cli.compose import compose_config
from obclip_cli.pipeline import ObCLIPPipeline, assemble
from obclip_cli.protocol import CloudRequest, CloudResponse
from obclip_cli.resources import data_folder

PROMPT = "a woman firefighter with dark skin"


def test_the_request_has_exactly_these_fields() -> None:
    allowed = {"candidates", "steps", "start", "stop", "guidance_scale", "noise_seed", "wants_history"}
    allowed |= {"latents", "history", "positions"}
    assert {field.name for field in fields(CloudRequest)} == allowed
    assert {field.name for field in fields(CloudResponse)} == {"latents", "history"}


def test_the_request_is_the_same_for_every_prompt_of_a_closure(tiny_pair: list[str]) -> None:
    """Non-interference: with the public seed fixed, the bytes do not depend on which candidate is real."""
    client, _ = assemble(compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1"]))
    query = client.prepare(PROMPT, seed=1)
    messages = {client.request(client.prepare(p, seed=1)).to_bytes() for p in query.candidates.prompts}
    assert len(messages) == 1
    assert client.request(client.prepare("a lady firefighter with pale skin", seed=1)).to_bytes() in messages


def test_the_request_is_the_same_with_a_picture_and_whatever_it_shows(tiny_pair: list[str]) -> None:
    """Non-interference: a picture shapes the image, and not one byte on the wire."""
    pipe = ObCLIPPipeline.from_config(compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=2"]))
    answer, sent = pipe.server.answer, []
    pipe.server.answer = lambda message: sent.append(message) or answer(message)  # type: ignore[method-assign]
    pictures = [None, *(Image.effect_mandelbrot((40, 30), (-3, -2, 2, y), 50).convert("P") for y in (1, 2))]
    latents = [pipe(PROMPT, picture, seed=3).outcome.latents for picture in pictures]
    assert len(sent) == 3 and len({*sent}) == 1
    assert not any(torch.equal(one, other) for one, other in combinations(latents, 2))


def test_the_cloud_answers_in_a_process_that_has_no_client_module(tiny_pair: list[str], tmp_path: Path) -> None:
    config = compose_config([*tiny_pair, "hybrid.steps=4", "hybrid.switch_point=1"])
    client, _ = assemble(config)
    (tmp_path / "up").write_bytes(client.request(client.prepare(PROMPT, seed=1)).to_bytes())
    script = f"""
import sys
from pathlib import Path
from obclip_cli.cloud.server import CloudServer
from obclip_cli.config import ModelConfig
from obclip_cli.diffusion.models import load_pipeline
pipeline = load_pipeline(ModelConfig({config.pair.cloud.path!r}), dtype="float32", device="cpu")
Path("down").write_bytes(CloudServer(pipeline, batch=60).answer(Path("up").read_bytes()))
secret = ("obclip_cli.device", "obclip_cli.prompts", "obclip_cli.pipeline")
print([name for name in sys.modules if name.startswith(secret)])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert CloudResponse.from_bytes((tmp_path / "down").read_bytes()).latents.shape == (10, 4, 8, 8)


@pytest.mark.parametrize("path", sorted(data_folder("configs").rglob("*.yaml")), ids=lambda p: p.stem)
def test_targets_of_configs_stay_in_their_own_room(path: Path) -> None:
    """Hydra's `_target_` could reach around the import contracts; only datasets and recorders may be named by class."""
    rooms = {"dataset": "obclip_cli.data.", "experiment": "obclip_cli.reproduction."}
    for target in re.findall(r"_target_: ([\w.]+)", path.read_text()):
        assert target.startswith(rooms[path.parent.name])
