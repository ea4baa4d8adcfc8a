"""Makes protocols.safetensors: small arrays and what the original evaluators say of them.

python tests/golden/make_protocols.py CLONES     CLONES: a folder with clones named as in SOURCES, at these commits

The functions are taken out of the files of the clones and run as they are, on the CPU; nothing of them is kept. Two
things are put in their place: `disk` of scikit-image (x^2 + y^2 <= r^2) and `linear_sum_assignment` of SciPy (here all
permutations are tried), which the project does not install.
"""

import ast
import itertools
import os
import subprocess
import sys
import tempfile
import types
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import save_file

SOURCES = {
    "TGS-Agent": "4e144c93679f1fde7fc6f6d1e12aec0aea1f0a64",
    "Ref-AVS": "82eb6881ffe4b1ab1fd5c3734bf68303f6b9f816",
    "AVSBench": "f7414aff6aedf49248887abf352471612fb1ec90",
    "AL-Ref-SAM2": "28a7ccbac191dcadc7b526b53e94f5b3f6f6c292",
    "davis2017-evaluation": "ac7c43fca936f9722837b7fbd337d284ba37004b",
    "ReferFormer": "06fc218f5d8f04730f81471a15ed89ea7e4d30d8",
}
NUM_SAMPLES, NUM_FRAMES, SIZE = 6, 3, 16


def functions(clone: Path, path: str, *names: str) -> dict:
    """The named functions (or methods) of a file, compiled alone."""
    wanted = SOURCES[clone.name]
    source = subprocess.run(
        ["git", "-C", str(clone), "show", f"{wanted}:{path}"], check=True, capture_output=True, text=True
    ).stdout
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name in names]
    for node in found:
        node.decorator_list = []
    scope = {"torch": torch, "np": np, "os": os, "cv2": cv2, "sys": sys}
    exec(compile(ast.Module(found, []), path, "exec"), scope)
    return scope


def blobs(rng: np.random.Generator, *, num: int, size: int) -> np.ndarray:
    coarse = torch.from_numpy(rng.standard_normal((num, 1, 4, 4)).astype(np.float32)) * 4 - 1
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")[:, 0].numpy()


def main(clones: Path) -> None:
    rng = np.random.default_rng(5)
    shape = (NUM_SAMPLES, NUM_FRAMES, SIZE, SIZE)
    logits = blobs(rng, num=NUM_SAMPLES * NUM_FRAMES, size=SIZE).reshape(shape)
    gt = logits + rng.standard_normal(shape) * 2 > 0.5
    gt[0, 1], gt[3] = False, False  # a frame, and a sample, without ground truth
    logits[1, 2] = -9  # an empty prediction
    out = {"logits": logits.astype(np.float32), "gt": gt}
    out |= tgs(clones / "TGS-Agent", logits, gt)
    out |= refavs(clones / "Ref-AVS", logits, gt, rng)
    out |= avsbench(clones / "AVSBench", logits, gt)
    out |= alref(clones / "AL-Ref-SAM2", logits, gt)
    out |= avss(clones / "AL-Ref-SAM2", rng)
    out |= davis(clones, rng)
    versions = f"torch {torch.__version__}, numpy {np.__version__}, opencv {cv2.__version__}"
    arrays = {name: np.ascontiguousarray(value) for name, value in out.items()}
    note = {"source": ", ".join(f"{name} {commit}" for name, commit in SOURCES.items()), "versions": versions}
    save_file(arrays, Path(__file__).with_name("protocols.safetensors"), metadata=note)


def in_batches(score, logits: np.ndarray, gt: np.ndarray, *, size: int) -> np.ndarray:
    """The scores of each batch of `size` samples."""
    starts = range(0, len(logits), size)
    return np.array([score(logits[i : i + size], gt[i : i + size]) for i in starts], np.float64)


def tgs(clone: Path, logits: np.ndarray, gt: np.ndarray) -> dict:
    path = "ground_segment_scripts/Grounded-SAM-2/utils/avss_utils.py"
    scope = functions(clone, path, "mask_iou", "_eval_pr", "Eval_Fmeasure", "metric_s_for_null_batch")
    samples, null = [], []
    for logits_THW, gt_THW in zip(torch.from_numpy(logits), torch.from_numpy(gt), strict=True):
        contour = scope["Eval_Fmeasure"](logits_THW.sigmoid(), gt_THW)
        samples.append((scope["mask_iou"](logits_THW > 0, gt_THW).item(), contour))
        null.append(scope["metric_s_for_null_batch"](logits_THW > 0).item())
    return {"tgs_samples": np.array(samples), "tgs_null_samples": np.array(null)}


def refavs(clone: Path, logits: np.ndarray, gt: np.ndarray, rng: np.random.Generator) -> dict:
    scope = functions(clone, "utils/metric/utility.py", "mask_iou", "_eval_pr", "Eval_Fmeasure", "metric_s_for_null")

    def pair(logits, gt):
        pred = torch.from_numpy(logits).reshape(-1, 1, SIZE, SIZE)
        target = torch.from_numpy(gt).float().reshape(-1, 1, SIZE, SIZE)
        contour = scope["Eval_Fmeasure"](pred.squeeze(1), target.squeeze(1), "", device="cpu")
        return scope["mask_iou"](pred, target).item(), contour

    def null(logits, _):
        return [scope["metric_s_for_null"](torch.from_numpy(logits).reshape(-1, 1, SIZE, SIZE)).item()]

    native = (blobs(rng, num=1, size=40)[0, :, :30] > 0).astype(np.uint8) * 255
    coloured = cv2.cvtColor(native, cv2.COLOR_GRAY2BGR)  # as cv2.imread gives it, then as dataset_refavs.py goes on
    resized = cv2.cvtColor(cv2.resize(coloured, (SIZE, SIZE)), cv2.COLOR_BGR2GRAY) > 0
    return {
        "refavs": in_batches(pair, logits, gt, size=4),
        "refavs_samples": in_batches(pair, logits, gt, size=1),
        "refavs_null": in_batches(null, logits, gt, size=4),
        "refavs_null_samples": in_batches(null, logits, gt, size=1),
        "native_gt": native,
        "resized_gt": resized,
    }


def avsbench(clone: Path, logits: np.ndarray, gt: np.ndarray) -> dict:
    scope = functions(clone, "avs_scripts/avs_s4/utils/utility.py", "mask_iou", "_eval_pr", "Eval_Fmeasure")
    scope["_eval_pr"] = partial(scope["_eval_pr"], cuda_flag=False)
    scope["print"] = lambda *_: None

    def pair(logits, gt):
        pred = torch.from_numpy(logits).reshape(-1, SIZE, SIZE)
        target = torch.from_numpy(gt).float().reshape(-1, SIZE, SIZE)
        with tempfile.TemporaryDirectory() as folder:
            return scope["mask_iou"](pred, target).item(), scope["Eval_Fmeasure"](pred, target, folder)

    return {
        "avsbench": in_batches(pair, logits, gt, size=4),
        "avsbench_samples": in_batches(pair, logits, gt, size=1),
    }


def alref(clone: Path, logits: np.ndarray, gt: np.ndarray) -> dict:
    scope = functions(clone, "avs/s4/utils/utility.py", "mask_iou", "_eval_pr", "Eval_Fmeasure")
    scope["_eval_pr"] = partial(scope["_eval_pr"], cuda_flag=False)
    frames = []
    for logits_HW, gt_HW in zip(logits.reshape(-1, SIZE, SIZE), gt.reshape(-1, SIZE, SIZE), strict=True):
        pred, target = torch.from_numpy(logits_HW > 0).float()[None], torch.from_numpy(gt_HW).float()[None]
        frames.append((scope["mask_iou"](pred, target).item(), scope["Eval_Fmeasure"](pred, target, None)))
    return {"alref_frames": np.array(frames)}


def avss(clone: Path, rng: np.random.Generator) -> dict:
    scope = functions(clone, "avs/avss/utils/color_utils.py", "_batch_miou_fscore", "calc_color_miou_fscore")
    labels = rng.choice([0, 0, 3, 7, 70], (4, 8, 8))
    pred = np.where(rng.random(labels.shape) < 0.3, rng.choice([0, 3, 12], labels.shape), labels)
    ious, fscores, counts, _ = scope["calc_color_miou_fscore"](torch.from_numpy(pred), torch.from_numpy(labels), 4)
    region, contour = (ious / counts).nan_to_num(0), (fscores / counts).nan_to_num(0)
    values = [region.mean(), contour.mean(), region[:-1].mean(), contour[:-1].mean()]
    return {
        "avss_pred": pred.astype(np.uint8),
        "avss_gt": labels.astype(np.uint8),
        "avss": np.array([value.item() for value in values]),
    }


def davis(clones: Path, rng: np.random.Generator) -> dict:
    """Two objects and three proposals in four frames, with void pixels (task `unsupervised`), and single frames."""
    metrics = functions(
        clones / "davis2017-evaluation", "davis2017/metrics.py", "db_eval_iou", "db_eval_boundary", "f_measure",
        "_seg2bmap",
    )  # fmt: skip
    morphology = types.ModuleType("skimage.morphology")
    morphology.disk = lambda r: np.hypot(*np.mgrid[-int(r) : int(r) + 1, -int(r) : int(r) + 1]) <= r
    sys.modules |= {"skimage": types.ModuleType("skimage"), "skimage.morphology": morphology}
    scope = functions(clones / "ReferFormer", "davis2017/evaluation.py", "_evaluate_unsupervised")
    scope |= {name: metrics[name] for name in ("db_eval_iou", "db_eval_boundary")}
    scope["linear_sum_assignment"] = best_assignment
    labels = np.digitize(blobs(rng, num=4, size=48), [-1, 2])
    pred = np.digitize(blobs(rng, num=4, size=48) * 0.4 + labels * 2 - 1, [0, 2, 4])
    pred = np.array([0, 2, 1, 3])[pred]  # proposals in another order than the objects
    void = rng.random(labels.shape) < 0.02
    masks = [np.stack([values == index for index in range(1, values.max() + 1)]) for values in (labels, pred)]
    masks[0] &= ~void
    frames = [metrics[name](labels > 0, pred == 2) for name in ("db_eval_iou", "db_eval_boundary")]
    region, contour = scope["_evaluate_unsupervised"](masks[0], masks[1], void.astype(float), ("J", "F"))
    return {
        "davis_labels": np.where(void, 255, labels).astype(np.uint8),
        "davis_pred": pred.astype(np.uint8),
        "davis": np.stack([region.mean(axis=1), contour.mean(axis=1)]),
        "davis_objects_gt": labels > 0,
        "davis_objects_pred": pred == 2,
        "davis_frames": np.stack(frames, axis=1),
    }


def best_assignment(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) of least total cost, rows ascending, as SciPy gives them; at least as many rows as columns."""
    num_rows, num_columns = costs.shape
    chosen = min(
        itertools.permutations(range(num_rows), num_columns),
        key=lambda rows: sum(costs[row, column] for column, row in enumerate(rows)),
    )
    pairs = sorted((row, column) for column, row in enumerate(chosen))
    return np.array([row for row, _ in pairs]), np.array([column for _, column in pairs])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
