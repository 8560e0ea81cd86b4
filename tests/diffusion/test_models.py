"""Models load in the saved format of every architecture of the paper, and what does not fit is said in one line."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler as DPMSolver
from diffusers import LCMScheduler

from obclip_cli.config import ModelConfig, PairConfig
from obclip_cli.diffusion.models import check_same_latent_space, load_pipeline
from obclip_cli.diffusion.pairs import compose_pair
from obclip_cli.errors import UserError
from tests.conftest import tiny_pipeline
from tests.fake_hub import use_hub
from tests.tiny_checkpoints import LATENT_SIZE, save_tiny, tiny_pipeline_of

SD, SDXL = "StableDiffusionPipeline", "StableDiffusionXLPipeline"


@dataclass(frozen=True)
class Expected:
    """What a model's own description says that it consists of."""

    pipeline: str
    down: str
    up: str
    has_mid: bool


CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
UP_CROSS, UP_PLAIN = "CrossAttnUpBlock2D", "UpBlock2D"
FOUR = Expected(SD, f"{CROSS} {CROSS} {CROSS} {PLAIN}", f"{UP_PLAIN} {UP_CROSS} {UP_CROSS} {UP_CROSS}", True)
THREE = Expected(SD, f"{CROSS} {CROSS} {CROSS}", f"{UP_CROSS} {UP_CROSS} {UP_CROSS}", False)
XL = Expected(SDXL, f"{PLAIN} {CROSS} {CROSS}", f"{UP_CROSS} {UP_CROSS} {UP_PLAIN}", True)
ARCHITECTURES = {
    "sd14": FOUR,
    "small-sd": FOUR,
    "bksdm-small": Expected(SD, FOUR.down, FOUR.up, False),
    "bksdm-tiny": THREE,
    "sdxl": XL,
    "lcm-sdxl": XL,
    "koala-700m": Expected(SDXL, XL.down, XL.up, False),
}
PAIRS = {
    "sd14-bksdm-small": ("sd14", "bksdm-small"),
    "sd14-bksdm-tiny": ("sd14", "bksdm-tiny"),
    "rv4-smallsd": ("sd14", "small-sd"),
    "sdxl-koala": ("sdxl", "koala-700m"),
    "lcmsdxl-koala": ("lcm-sdxl", "koala-700m"),
}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each architecture."""
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: save_tiny(name, folder / name, seed) for seed, name in enumerate(ARCHITECTURES)}


def tiny_pair(name: str, checkpoints: dict[str, Path]) -> PairConfig:
    """A pair by its own configuration, on tiny checkpoints of its architectures."""
    cloud, device = PAIRS[name]
    overrides = [f"pair.cloud.path={checkpoints[cloud]}", f"pair.device.path={checkpoints[device]}"]
    if cloud == "lcm-sdxl":
        overrides += [f"pair.cloud.path={checkpoints['sdxl']}", f"pair.cloud.unet={checkpoints[cloud]}"]
    return compose_pair(name, overrides)


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_loads_by_its_own_configuration(name: str, checkpoints: dict[str, Path]) -> None:
    pair = tiny_pair(name, checkpoints)
    pipelines = [load_pipeline(model, dtype=pair.dtype, device="cpu") for model in (pair.cloud, pair.device)]
    for model, architecture, pipeline in zip((pair.cloud, pair.device), PAIRS[name], pipelines, strict=True):
        expected, unet = ARCHITECTURES[architecture], pipeline.unet
        assert type(pipeline).__name__ == expected.pipeline
        assert " ".join(type(block).__name__ for block in unet.down_blocks) == expected.down
        assert " ".join(type(block).__name__ for block in unet.up_blocks) == expected.up
        assert (unet.mid_block is not None) == expected.has_mid
        assert (unet.config.time_cond_proj_dim is not None) == (architecture == "lcm-sdxl")
        assert type(pipeline.scheduler) is (LCMScheduler if model.scheduler == "lcm" else DPMSolver)
        assert unet.dtype == pipeline.text_encoder.dtype == torch.float16
    check_same_latent_space(*pipelines)


def test_dpm_solver_is_the_same_algorithm_whatever_scheduler_the_repository_holds(
    checkpoints: dict[str, Path],
) -> None:
    """small-sd's repository holds a DEIS scheduler, whose algorithm DPM-Solver++ must not take over."""
    for name in ("sd14", "small-sd", "sdxl"):
        config = load_pipeline(ModelConfig(str(checkpoints[name])), dtype="float32", device="cpu").scheduler.config
        assert (config.algorithm_type, config.solver_type, config.beta_schedule) == (
            "dpmsolver++",
            "midpoint",
            "scaled_linear",
        )


@pytest.mark.parametrize("name", ["sd14", "small-sd", "sdxl"])
def test_weights_are_those_that_were_saved(name: str, checkpoints: dict[str, Path]) -> None:
    loaded = load_pipeline(ModelConfig(str(checkpoints[name])), dtype="float32", device="cpu")
    saved = tiny_pipeline_of(name, list(ARCHITECTURES).index(name))
    weights = saved.unet.state_dict()
    assert weights.keys() == loaded.unet.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in loaded.unet.state_dict().items())


def test_a_unet_kept_apart_takes_the_place_of_the_pipelines_own(checkpoints: dict[str, Path]) -> None:
    model = ModelConfig(str(checkpoints["sdxl"]), unet=str(checkpoints["lcm-sdxl"]))
    own = load_pipeline(ModelConfig(model.path), dtype="float32", device="cpu")
    other = load_pipeline(model, dtype="float32", device="cpu")
    assert not torch.equal(own.unet.conv_in.weight, other.unet.conv_in.weight)
    assert torch.equal(own.vae.encoder.conv_in.weight, other.vae.encoder.conv_in.weight)


def test_a_folder_without_the_variant_gives_its_plain_weights(checkpoints: dict[str, Path]) -> None:
    model = ModelConfig(str(checkpoints["koala-700m"]), variant="fp16")
    assert load_pipeline(model, dtype="float16", device="cpu").unet.dtype == torch.float16


@pytest.mark.parametrize(("cloud", "device"), [("sd14", "bksdm-tiny"), ("sdxl", "koala-700m")])
def test_pairs_make_images(cloud: str, device: str, checkpoints: dict[str, Path]) -> None:
    """The stock pipeline runs on what was loaded, with the solver that was put in."""
    for name in (cloud, device):
        pipeline = load_pipeline(ModelConfig(str(checkpoints[name])), dtype="float32", device="cpu")
        image = pipeline("a man", num_inference_steps=2, output_type="np").images[0]
        assert image.shape == (8 * LATENT_SIZE, 8 * LATENT_SIZE, 3)


def test_different_latent_spaces_are_refused(checkpoints: dict[str, Path]) -> None:
    """Stable Diffusion's and SDXL's autoencoders differ in the scaling factor, which the message names."""
    cloud, device = (
        load_pipeline(ModelConfig(str(checkpoints[name])), dtype="float32", device="cpu")
        for name in ("sdxl", "bksdm-small")
    )
    with pytest.raises(UserError, match=r"latent spaces differ \(autoencoder scaling factor: cloud 0.13025, device"):
        check_same_latent_space(cloud, device)
    with pytest.raises(UserError, match=r"latent size: cloud 16, device 8"):
        check_same_latent_space(device, tiny_pipeline(1, mid_block=True))


@pytest.mark.parametrize(
    ("name", "value"), [("shift_factor", 0.1), ("latents_mean", [0.5, 0, 0, 0]), ("latents_std", [2.0, 1, 1, 1])]
)
def test_autoencoders_of_other_statistics_are_refused(name: str, value: float | list[float]) -> None:
    cloud, device = tiny_pipeline(1, mid_block=True), tiny_pipeline(2, mid_block=False)
    check_same_latent_space(cloud, device)
    cloud.vae.register_to_config(**{name: value})
    with pytest.raises(UserError, match=f"autoencoder {name.replace('_', ' ')}: cloud .*, device None"):
        check_same_latent_space(cloud, device)


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model.safetensors", "vae/config.json"])
def test_a_broken_file_is_one_line(part: str, tmp_path: Path) -> None:
    folder = save_tiny("bksdm-tiny", tmp_path / "model", seed=0)
    content = (folder / part).read_bytes()
    (folder / part).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"cannot be read.*replace its files by a whole copy") as caught:
        load_pipeline(ModelConfig(str(folder)), dtype="float32", device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "no model folder at /nowhere"),
        ("nowhere", "no model folder at nowhere"),
        ("package:mini/weights/nothing", "package:mini/weights/nothing is not in this installation"),
    ],
)
def test_a_missing_folder_is_one_line(path: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_pipeline(ModelConfig(path), dtype="float32", device="cpu")


def test_a_hub_id_without_a_hub_says_how_to_get_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub("http://127.0.0.1:9", monkeypatch, tmp_path)
    with pytest.raises(UserError, match=r"hf download someone/some-model --include .* --local-dir DIR") as caught:
        load_pipeline(ModelConfig("someone/some-model"), dtype="float32", device="cpu")
    assert "model_index.json" in str(caught.value) and "\n" not in str(caught.value)
