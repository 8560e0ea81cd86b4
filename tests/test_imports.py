"""What importing the package costs, and what it leaves alone in the process of whoever imports it."""

import os
import subprocess
import sys

LEAN = """
import sys
import obclip_cli
dir(obclip_cli)
loaded = [[name for name in ("torch", "diffusers", "hydra") if name in sys.modules]]
from obclip_cli.main import run
heavy = ("torch", "pandas", "diffusers", "transformers", "matplotlib", "sklearn")
for command, names in (["--help"], heavy), (["candidates", "a man", "--json"], [n for n in heavy if n != "pandas"]):
    sys.argv = ["obclip", *command]
    try:
        run()
    except SystemExit:
        pass
    loaded.append([name for name in names if name in sys.modules])
print(loaded)
"""
STATE = """
import importlib, pkgutil, warnings
import matplotlib, torch
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils import are_progress_bars_disabled
from hydra.core.global_hydra import GlobalHydra
from transformers.utils import logging as transformers_logging

def state():
    return {
        "backend": matplotlib.get_backend(),
        "bars": (diffusers_logging.is_progress_bar_enabled(), transformers_logging.is_progress_bar_enabled()),
        "downloads": are_progress_bars_disabled(),
        "hydra": GlobalHydra.instance().is_initialized(),
        "torch": (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), torch.initial_seed(),
                  torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision()),
    }

before = state()
import obclip_cli
for module in pkgutil.walk_packages(obclip_cli.__path__, "obclip_cli."):
    if not module.name.endswith("__main__") and not module.name.startswith("obclip_cli.mini."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # of an extra that is not installed
            assert error.name in ("ray", "jax", "tenseal", "orion"), error
from obclip_cli.compose import compose_config
from obclip_cli.diffusion.models import load_pipeline
load_pipeline(compose_config().pair.device, dtype="float32", device="cpu")
after = state()
print({key: (before[key], after[key]) for key in before if before[key] != after[key]})
"""


def last_line(script: str, **environment: str) -> str:
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return done.stdout.strip().splitlines()[-1]


def test_importing_helping_and_hiding_load_no_library_that_a_run_needs() -> None:
    assert last_line(LEAN) == "[[], [], []]"


def test_importing_everything_and_loading_a_model_changes_nothing_for_the_caller() -> None:
    assert last_line(STATE, MPLBACKEND="svg") == "{}"
