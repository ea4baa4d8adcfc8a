"""SAM 2 configurations: where they lie, and the untrained models they describe. Imports no torch until it builds one.

A configuration is a YAML file in the form of those of the package `sam2`: a tree of `_target_` and its arguments.
"""

import contextlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sam2.modeling.sam2_base import SAM2Base
    from sam2.sam2_video_predictor import SAM2VideoPredictor

DYNAMIC_MULTIMASK = {  # what build_sam2(apply_postprocessing=True) adds to every configuration
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def check_config(path: Path) -> Path:
    """`path` itself if it is a file; ValueError else, naming the configurations that the package `sam2` brings."""
    if path.is_file():
        return path
    spec = importlib.util.find_spec("sam2")
    folders = spec.submodule_search_locations if spec else None
    packaged = sorted(str(file) for folder in folders or () for file in Path(folder).glob("configs/sam2*/*.yaml"))
    listed = "\n  ".join(["for a published model copy one of", *packaged])
    raise ValueError(f"segment.config {path}: no such file; {listed}")


def build_model(config: Path) -> "SAM2Base":
    """An untrained SAM 2 model from its configuration, with dynamic multimask on; ValueError where it is none.

    A configuration that names anything but SAM 2's own modules is refused.
    """
    return _instantiate(_read(config), config=config)


def build_video_predictor(config: Path) -> "SAM2VideoPredictor":
    """The same as a video predictor; what the predictor takes as answered by a box is remembered as hard masks.

    As build_sam2_video_predictor has it, but that holes are not filled, which needs a GPU.
    """
    predictor = {"_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor"}
    return _instantiate(_read(config) | predictor | {"binarize_mask_from_pts_for_mem_enc": True}, config=config)


def _read(config: Path) -> dict:
    """The tree of a configuration, which names nothing but SAM 2's own modules; ValueError else."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        content = OmegaConf.to_container(OmegaConf.load(config), resolve=True)
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{config}: not a readable configuration ({error})") from None
    tree = content.get("model") if isinstance(content, dict) else None
    if not isinstance(tree, dict):
        raise ValueError(f"{config}: expected a mapping 'model', as in the configurations of the package sam2")
    for target in _targets(tree):
        _check_target(target, config=config)
    return tree


def _instantiate(tree: dict, *, config: Path) -> "SAM2Base":
    """Build a checked tree, with dynamic multimask on."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    extra = tree.get("sam_mask_decoder_extra_args") or {}
    try:
        return instantiate(tree | {"sam_mask_decoder_extra_args": extra | DYNAMIC_MULTIMASK}, _recursive_=True)
    except InstantiationException as error:
        raise ValueError(f"{config}: SAM 2 cannot be built from it ({str(error).splitlines()[0]})") from None


def _check_target(target: str, *, config: Path) -> None:
    """Refuse a configuration that would call anything but constructors of modules: `_target_` can name any function."""
    from hydra.utils import get_class
    from torch import nn

    if target.startswith(("sam2.modeling.", "torch.nn.")):
        with contextlib.suppress(ImportError, ValueError):  # no such class
            found = get_class(target)
            if issubclass(found, nn.Module) and found.__module__.startswith(("sam2.modeling.", "torch.nn.")):
                return
    raise ValueError(f"{config}: refused, because {target!r} is not a module of sam2.modeling or torch.nn")


def _targets(node: object) -> list[str]:
    """Every `_target_` below a node."""
    if isinstance(node, dict):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    if isinstance(node, list):
        return [target for value in node for target in _targets(value)]
    return []
