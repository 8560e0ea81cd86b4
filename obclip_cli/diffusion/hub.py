"""Where a model's files are on this machine, what is missing of them, and how they come from the Hugging Face hub.

Nothing heavy is imported before it is needed, so that `obclip models list` answers at once.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obclip_cli.config import ModelConfig
from obclip_cli.errors import UserError
from obclip_cli.resources import package_folder

PATIENCE = 10.0  # seconds after which a hub that does not answer counts as out of reach
UNUSED = ("safety_checker", "feature_extractor")  # parts of a pipeline that are never loaded
PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = (".safetensors", ".bin")
PIPELINE_INDEX, MODEL_CONFIG = "model_index.json", "config.json"
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Copy:
    """A model's files on this machine.

    Attributes:
        source: `package:NAME`, a folder or a hub id, as configured.
        kind: package, folder or hub cache.
        folder: where they are; None where there is nothing yet.
        missing: parts that are not there; empty for a whole copy.
        key: path or unet, the setting that names it.
    """

    key: str
    source: str
    kind: str
    folder: Path | None
    missing: tuple[str, ...]

    @property
    def revision(self) -> str | None:
        """The commit of the hub repository; None for a local folder."""
        inside = self.folder is not None and self.folder.parent.name == "snapshots"
        return self.folder.name if inside and self.folder else None


def copies(model: ModelConfig) -> list[Copy]:
    """The pipeline's copy and, where the UNet is kept apart, that of the UNet."""
    kind, folder = _find(model.path, model.revision, PIPELINE_INDEX)
    if folder is not None:
        missing = _missing_parts(folder, own_unet=model.unet is None, variant=_asked_for(kind, model))
    else:
        parts = [part for part in PARTS if part != "unet" or model.unet is None]
        missing = [PIPELINE_INDEX, *(parts if kind == "hub cache" else [])]
    found = [Copy("path", model.path, kind, folder, tuple(missing))]
    if model.unet is not None:
        kind, folder = _find(model.unet, model.unet_revision, MODEL_CONFIG)
        there = folder is not None and _holds_weights(folder, _asked_for(kind, model))
        lacks = () if there else ("unet",)
        found.append(Copy("unet", model.unet, kind, folder, lacks))
    return found


def folders(model: ModelConfig) -> list[Path]:
    """The pipeline's folder and, where it is kept apart, the UNet's; missing files are downloaded first.

    Raises:
        UserError: a model is not here and cannot be fetched.
    """
    for copy in copies(model):
        if copy.kind == "package" and copy.folder is None:
            raise UserError(
                f"{copy.source} is not in this installation; run `make mini` in a clone, or take another pair"
            )
        if copy.kind == "folder" and copy.folder is None:
            raise UserError(f"no model folder at {copy.source}; give a folder in diffusers' format or a hub id")
    if any(copy.kind == "hub cache" and copy.missing for copy in copies(model)):
        _fetch_missing(model)
    return [copy.folder for copy in copies(model) if copy.folder is not None]


def _fetch_missing(model: ModelConfig) -> None:
    try:
        ask_hub(model)
    except ConnectionError as error:
        lacking = [copy for copy in copies(model) if copy.missing]
        raise UserError(f"{how_to_get(lacking, str(error))}, then name DIR1 in place of the hub id") from error
    fetch(model)


def how_to_get(lacking: list[Copy], out_of_reach: str) -> str:
    """What is missing of copies, why, and where to take it from; DIR1, DIR2, ... stand for folders of theirs."""
    from_hub = [copy.source for copy in lacking if copy.kind == "hub cache"]
    commands = [f"`hf download {source} --local-dir DIR{place}`" for place, source in enumerate(from_hub, 1)]
    because = f"the hub is out of reach ({out_of_reach}); where it is not, run" if out_of_reach else "run"
    return f"not on this machine: {in_words(lacking)}; {because} {' and '.join(commands)}"


def in_words(lacking: list[Copy]) -> str:
    """Names of copies, and what each lacks."""
    return "; ".join(f"{copy.source} ({', '.join(copy.missing)})" for copy in lacking)


def variant_in(folder: Path, variant: str | None) -> str | None:
    """The variant if the folder holds any weights in it; else None, for the plain weights."""
    return variant if variant and any(folder.rglob(f"*.{variant}.*")) else None


def is_hub_id(path: str) -> bool:
    """Whether a path is an OWNER/NAME of the hub, which folders of that name go before."""
    return HUB_ID.fullmatch(path) is not None and not Path(path).is_dir()


def fetch(model: ModelConfig) -> None:
    """Download the files of a hub model that are loaded; an interrupted download resumes.

    Raises:
        UserError: the download failed.
    """
    from diffusers import DiffusionPipeline
    from huggingface_hub import snapshot_download

    left_out = (*UNUSED, "unet") if model.unet is not None else UNUSED
    unet_file = ".".join(["diffusion_pytorch_model", *([model.variant] if model.variant else []), "safetensors"])
    try:
        if is_hub_id(model.path):
            unwanted = dict.fromkeys(left_out)
            DiffusionPipeline.download(model.path, revision=model.revision, variant=model.variant, **unwanted)
        if model.unet is not None and is_hub_id(model.unet):
            snapshot_download(model.unet, revision=model.unet_revision, allow_patterns=[MODEL_CONFIG, unet_file])
    except Exception as error:
        raise UserError(
            f"the download of {model.path} stopped ({reason(error)}); type the same command again, "
            "and it goes on where it stopped"
        ) from error


def ask_hub(model: ModelConfig) -> None:
    """Ask the hub for a model; diffusers itself would wait for ever for a hub that does not answer.

    Raises:
        UserError: there is no such repository or revision.
        ConnectionError: the hub is out of reach.
    """
    for repository, revision in ((model.path, model.revision), (model.unet, model.unet_revision)):
        if repository is not None and is_hub_id(repository):
            _ask_for(repository, revision)


def _ask_for(repository: str, revision: str | None) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().model_info(repository, revision=revision, timeout=PATIENCE)
    except GatedRepoError as error:
        raise UserError(
            f"{repository} asks for consent to its licence; give it on the model's page, then run `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{repository} has no revision {revision}; give a commit or null") from error
    except RepositoryNotFoundError as error:
        raise UserError(f"the hub shows no model {repository}; check the name, or run `hf auth login`") from error
    except Exception as error:
        raise ConnectionError(reason(error)) from error


def read_json(path: Path) -> dict[str, Any]:
    """A file's settings; empty where it is not there or cannot be read."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def reason(error: BaseException) -> str:
    """The first line of an error, or of the one behind it."""
    error = error.__cause__ or error
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _find(path: str, revision: str | None, marker: str) -> tuple[str, Path | None]:
    """The kind of place, and the folder there if it holds the file `marker`."""
    if path.startswith("package:"):
        kind, folder = "package", package_folder() / path.removeprefix("package:")
    elif not is_hub_id(path):
        kind, folder = "folder", Path(path)
    else:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(path, marker, revision=revision)
        return "hub cache", Path(cached).parent if isinstance(cached, str) else None
    return kind, folder if (folder / marker).is_file() else None


def _asked_for(kind: str, model: ModelConfig) -> str | None:
    """The variant that a download must have brought; in other folders `variant_in` takes what it finds."""
    return model.variant if kind == "hub cache" else None


def _missing_parts(folder: Path, *, own_unet: bool, variant: str | None) -> list[str]:
    """Parts named by the pipeline's index that have no files; one weight file counts as all of a part's."""
    index = read_json(folder / PIPELINE_INDEX)
    if not index:
        return [PIPELINE_INDEX]
    missing = []
    for part, entry in index.items():
        if not isinstance(entry, list) or None in entry or part in UNUSED or (part == "unet" and not own_unet):
            continue
        only_settings = entry[1].endswith(("Scheduler", "Tokenizer", "TokenizerFast"))
        wanted = variant if part == "unet" else None  # other parts are not always there in every variant
        there = any((folder / part).glob("*.json")) if only_settings else _holds_weights(folder / part, wanted)
        if not there:
            missing.append(part)
    return missing


def _holds_weights(folder: Path, variant: str | None = None) -> bool:
    if not (folder / MODEL_CONFIG).is_file():
        return False
    names = [path.name for path in folder.iterdir() if path.suffix in WEIGHTS]
    return any(variant is None or f".{variant}." in name for name in names)
