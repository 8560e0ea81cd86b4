"""Every pair composes, and every architecture has the size that its source gives."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from obclip_cli.compose import compose_config, compose_model
from obclip_cli.config import SCHEDULERS, taxonomy_path
from obclip_cli.cost.macs import pass_macs
from obclip_cli.diffusion.architectures import load_architecture, parameters_of
from obclip_cli.diffusion.pairs import compose_pair, pair_names
from obclip_cli.prompts.taxonomy import load_taxonomy
from obclip_cli.resources import data_folder

MODELS = sorted((data_folder("configs") / "model").glob("*.yaml"))
ARCHITECTURES = [path.stem for path in MODELS if compose_model(path.stem).architecture is not None]
# Millions of parameters of the BK-SDM and SDXL configurations (arXiv 2305.15798, 2307.01952; KOALA: 2312.04005).
BKSDM_AND_SDXL_PARAMETERS = {
    "sd14": 859.52,
    "realistic-vision": 859.52,
    "small-sd": 579.38,
    "bksdm-small": 482.35,
    "bksdm-tiny": 323.38,
    "sdxl": 2567.46,
    "koala-700m": 782.82,
    "lcm-sdxl": 2567.55,
}
# GMAC of convolutions and linear layers in one pass with one row. Times 50 passes, they give the device models' entries
# of arXiv 2510.04153, Tables 2 to 4 (11.20, 10.90, 10.25 and 58.85 T) but for 0.2 %.
BKSDM_AND_SDXL_GMACS = {
    "sd14": 338.61,
    "realistic-vision": 338.61,
    "small-sd": 223.67,
    "bksdm-small": 217.65,
    "bksdm-tiny": 204.95,
    "sdxl": 2988.66,
    "koala-700m": 1176.19,
    "lcm-sdxl": 2988.66,
}


@pytest.mark.parametrize("name", pair_names())
def test_every_pair_composes_and_names_what_exists(name: str) -> None:
    pair = compose_pair(name)
    assert pair.name == name
    load_taxonomy(taxonomy_path(pair.taxonomy))
    assert getattr(torch, pair.dtype).is_floating_point
    for model in (pair.cloud, pair.device):
        assert model.scheduler in SCHEDULERS
        assert model.revision is None and model.unet_revision is None  # pinned by the user, not by us
        if model.path.startswith("package:"):
            continue
        assert model.licence and model.disk_gb and model.architecture


@pytest.mark.parametrize("name", [name for name in pair_names() if name != "mini"])
def test_both_sides_of_a_pair_have_one_latent_size(name: str) -> None:
    pair = compose_pair(name)
    unets = [model.architecture.unet for model in (pair.cloud, pair.device) if model.architecture]
    assert unets[0]["sample_size"] == unets[1]["sample_size"]
    assert unets[0]["in_channels"] == unets[1]["in_channels"]
    assert unets[0]["cross_attention_dim"] == unets[1]["cross_attention_dim"]


@pytest.mark.parametrize("name", pair_names())
def test_every_pair_alone_runs_at_the_papers_setting(name: str) -> None:
    """LCM-SDXL's is that of Table 4: 4 of the cloud's own 8 steps, the device goes on from step 12 of its 25."""
    hybrid = compose_config([f"pair={name}"]).hybrid
    expected = (25, 4, 8) if name == "lcmsdxl-koala" else (25, 10, 0)
    assert (hybrid.steps, hybrid.switch_point, hybrid.timestep_shift) == expected
    typed = compose_config([f"pair={name}", "hybrid.switch_point=3"]).hybrid
    assert (typed.switch_point, typed.timestep_shift) == (3, expected[2])


def test_a_pair_is_two_models_of_which_either_can_be_chosen() -> None:
    stock, chosen = compose_config().pair, compose_config(["model@pair.cloud=sdxl"]).pair
    assert chosen.cloud == compose_model("sdxl") == compose_config(["pair=sdxl-koala"]).pair.cloud
    assert chosen.device == stock.device and chosen.cloud != stock.cloud
    lcm = compose_model("lcm-sdxl")
    assert (lcm.path, lcm.scheduler, lcm.steps, lcm.guidance_scale) == (chosen.cloud.path, "lcm", 8, 8.0)


def test_no_architecture_is_without_a_golden_figure() -> None:
    assert set(ARCHITECTURES) == set(BKSDM_AND_SDXL_PARAMETERS) == set(BKSDM_AND_SDXL_GMACS)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parameters_match_the_bksdm_and_sdxl_configurations(name: str) -> None:
    """Printed to two decimals, so equal to half of the last one."""
    found = parameters_of(load_architecture(name).unet) / 1e6
    assert found == pytest.approx(BKSDM_AND_SDXL_PARAMETERS[name], abs=0.005)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_macs_match_the_bksdm_and_sdxl_configurations(name: str) -> None:
    architecture = load_architecture(name)
    found = pass_macs(architecture.unet, architecture.text_tokens)
    assert (found.convolution + found.linear) / 1e9 == pytest.approx(BKSDM_AND_SDXL_GMACS[name], abs=0.005)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_files_set_every_value_that_they_list(name: str) -> None:
    """A key that the model does not know would be dropped with a warning only."""
    unet = load_architecture(name).unet
    with torch.device("meta"):
        config = UNet2DConditionModel(**unet).config
    for key, value in unet.items():
        found = config[key]
        assert (list(found) if isinstance(found, tuple) else found) == value, key


def test_files_of_architectures_name_their_source() -> None:
    for path in MODELS:
        assert path.stem not in ARCHITECTURES or "arXiv" in path.read_text().splitlines()[0]
