"""What a model's folder must hold, in the layouts that repositories have: variants, shards, .bin, git-lfs pointers."""

import json
import re
from pathlib import Path
from typing import Any

PIPELINE_INDEX, MODEL_CONFIG = "model_index.json", "config.json"
UNUSED = ("safety_checker", "feature_extractor")  # parts of a pipeline that are never loaded
APART = ("unet", "vae")  # parts that a setting may take from elsewhere
WEIGHTS = re.compile(
    r"(diffusion_pytorch_|pytorch_|)model(-\d+-of-\d+)?(\.(?P<variant>\w+))?(-\d+-of-\d+)?\.(safetensors|bin)"
)
SHARD = re.compile(r"-\d+-of-\d+")
VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("spiece.model",))
POINTER = b"version https://git-lfs"
CHECKPOINTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")


def read_json(path: Path) -> dict[str, Any]:
    """A file's settings; empty where it is not there or cannot be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def variant_in(folder: Path, asked: str | None) -> str | None:
    """Which variant of a part's weights to load: the one that is asked for, else the plain ones, else what there is."""
    return _choice({variant for _, variant in _weights(folder)}, asked)


def weights_to_take(names: list[str], asked: str | None) -> list[str]:
    """Of the files that a repository holds of a part, the weights in one variant and one format."""
    found = {name: match["variant"] for name in names if (match := WEIGHTS.fullmatch(name))}
    chosen = _choice(set(found.values()), asked)
    kept = [name for name, variant in found.items() if variant == chosen]
    return [name for name in kept if name.endswith(".safetensors")] or kept


def _choice(there: set[str | None], asked: str | None) -> str | None:
    if asked in there or None in there:
        return asked if asked in there else None
    return min((variant for variant in there if variant), default=None)


def has_safetensors(folder: Path, variant: str | None) -> bool:
    """Whether a variant of a part's weights is there in this format, and not as .bin alone."""
    return any(found == variant and name.endswith(".safetensors") for name, found in _weights(folder))


def lack_of_weights(folder: Path, variant: str | None) -> str | None:
    """Why a part cannot be loaded from its folder; None where it can, "" where nothing of it is there.

    Args:
        variant: must be there; None takes any.
    """
    chosen = variant or variant_in(folder, None)
    named = {path.name: path for path in _files(folder)}
    weights = [name for name, found in _weights(folder) if found == chosen]
    if MODEL_CONFIG not in named or not weights:
        return ""
    kept = [name for name in weights if name.endswith(".safetensors")] or weights
    if pointer := next((name for name in kept if is_pointer(named[name])), None):
        return _pointer(pointer)
    if any(not SHARD.search(name) for name in kept):
        return None
    suffix = Path(kept[0]).suffix
    indices = [read_json(path) for name, path in named.items() if f"{suffix}.index" in name and name.endswith(".json")]
    wanted = {name for index in indices for name in index.get("weight_map", {}).values()}
    wanted = {name for name in wanted if (found := WEIGHTS.fullmatch(name)) and found["variant"] == chosen}
    absent = sorted(wanted - set(kept))
    return f"{absent[0]} is missing" if absent else None if wanted else "the index of its shards is missing"


def lack_of_words(folder: Path) -> str | None:
    """The same of a tokenizer, which without a vocabulary would load all the same and know no word."""
    whole = next((names for names in VOCABULARIES if all((folder / name).is_file() for name in names)), None)
    if whole is None:
        return "it has no vocabulary" if any(_files(folder)) else ""
    pointer = next((name for name in whole if is_pointer(folder / name)), None)
    return _pointer(pointer) if pointer else None


def is_pointer(path: Path) -> bool:
    """Whether git-lfs has left its placeholder in the file's stead."""
    with path.open("rb") as file:
        return file.read(len(POINTER)) == POINTER


def loaded_files(variant: str | None, apart: list[str]) -> tuple[str, ...]:
    """Patterns of the files that are loaded of a pipeline's repository, but for the parts that are kept apart."""
    weights = [f"{part}/{weight_file(variant)}" for part in APART if part not in apart]
    encoders = f"text_encoder*/{weight_file(variant, 'model')}"
    return (PIPELINE_INDEX, "*/*.json", "tokenizer*/*", encoders, *weights)


def weight_file(variant: str | None, stem: str = "diffusion_pytorch_model") -> str:
    """The name that a part's weights have in a repository."""
    return f"{stem}.{variant}.safetensors" if variant else f"{stem}.safetensors"


def missing_parts(folder: Path, apart: list[str], *, variant: str | None) -> list[str]:
    """Parts named by the pipeline's index that are not whole."""
    index = read_json(folder / PIPELINE_INDEX)
    if not index:
        return [named(PIPELINE_INDEX, "it is not JSON")]
    missing = []
    for part, entry in index.items():
        if not isinstance(entry, list) or None in entry or part in (*UNUSED, *apart):
            continue
        lack = _lack(folder / part, entry[1], variant if part == "unet" else None)  # others lack some variants
        if lack is not None:
            missing.append(named(part, lack))
    return missing


def _lack(folder: Path, kind: str, variant: str | None) -> str | None:
    if kind.endswith(("Scheduler", "Processor")):
        return None if any(folder.glob("*.json")) else ""
    return lack_of_words(folder) if "Tokenizer" in kind else lack_of_weights(folder, variant)


def named(part: str, lack: str) -> str:
    """A part and why it is missing, where that is known."""
    return f"{part}: {lack}" if lack else part


def single_file(path: Path) -> Path | None:
    """The checkpoint of one file, which a path names or a folder holds in place of a model's parts."""
    if path.is_file() and path.suffix in CHECKPOINTS:
        return path
    return next((file for file in _files(path) if file.suffix in CHECKPOINTS), None)


def conversion(file: Path) -> str:
    """What to type to make a folder of a checkpoint of one file."""
    kind = "StableDiffusionXLPipeline" if _is_xl(file) else "StableDiffusionPipeline"
    code = f"from diffusers import {kind} as P; P.from_single_file('{file}').save_pretrained('DIR')"
    return f'`python -c "{code}"`'


def _is_xl(file: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as checkpoint:
            return any(key.startswith("conditioner.") for key in checkpoint.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return "xl" in file.stem.lower()


def _pointer(name: str) -> str:
    return f"{name} is a git-lfs pointer, run `git lfs pull` in its folder"


def _weights(folder: Path) -> list[tuple[str, str | None]]:
    """Names of weight files, with the variant that each belongs to."""
    return [(path.name, found["variant"]) for path in _files(folder) if (found := WEIGHTS.fullmatch(path.name))]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
