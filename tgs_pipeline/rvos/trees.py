"""Trees of predicted masks, as the benchmarks of referring video segmentation exchange them (UPSTREAM_FACTS 5.2, 5.3).

    Ref-YouTube-VOS   Annotations/<vid>/<exp_id>/<frame>.png     0 or 255; a zip file for the server
    MeViS             <vid>/<exp_id>/<frame>.png                 0 or 255; a zip file for the server
    Ref-DAVIS17       anno_{0..3}/<vid>/<frame>.png              palette, one label for each object

`tgs export` writes them, `tgs benchmark` reads them. Those of AVSBench-semantic are in sounding/export.py.
"""

from pathlib import PurePosixPath
from typing import Literal, get_args

Benchmark = Literal["ref_youtube_vos", "ref_davis17", "mevis"]
BENCHMARKS: tuple[Benchmark, ...] = get_args(Benchmark)


def benchmark_of(adapter: str) -> Benchmark:
    """The benchmark of `dataset.adapter`; ValueError where it is none of these."""
    for benchmark in BENCHMARKS:
        if adapter == benchmark:
            return benchmark
    raise ValueError(
        f"dataset.adapter is {adapter!r}; trees of masks are of {', '.join(BENCHMARKS)}, avsbench_semantic: use `tgs "
        "evaluate` for others"
    )


def expression_of(uid: str, *, vid: str) -> str:
    """exp_id of a uid <vid>_<exp_id>, as the adapters make it."""
    return uid.removeprefix(f"{vid}_")


def folder_of(benchmark: Benchmark, uid: str, *, vid: str) -> PurePosixPath:
    """The folder of one expression below the root of a tree of Ref-YouTube-VOS or MeViS."""
    inside = PurePosixPath(vid) / expression_of(uid, vid=vid)
    return "Annotations" / inside if benchmark == "ref_youtube_vos" else inside


def davis_palette() -> list[int]:
    """The 256 colours of DAVIS (as PASCAL VOC), r g b r g b ...: the bits of a label, three at a time, from the top."""
    colours = []
    for label in range(256):
        for channel in range(3):
            bits = [(label >> (3 * place + channel)) & 1 for place in range(8)]
            colours.append(sum(bit << (7 - place) for place, bit in enumerate(bits)))
    return colours
