"""features: samples -> what the frozen encoders see (CLIP) and hear (BEATs) in each video, and its sound tags.

Inputs: artifacts/samples, media below dataset.root, the weights of params.features. Outputs, in artifacts/features:
features-00000.arrow, ... (one record batch for each video, in the order of its first sample) and audio_tags.parquet;
where asked for, other_audio_tags.parquet and second_tags.parquet (sounding/tagging.py).
Unit of work: a video, by the content of its frames and its sound.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from tgs_pipeline import rows, weights
from tgs_pipeline.artifacts import features, samples, table
from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.artifacts.publish import replacing
from tgs_pipeline.backends.encoder import clip
from tgs_pipeline.data import fbank, media
from tgs_pipeline.execution import WHOLE, Execution
from tgs_pipeline.params import Features, Params
from tgs_pipeline.rows import Recipe
from tgs_pipeline.sounding import tagging
from tgs_pipeline.sounding.tagging import Sound, Tagger, top_tags
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)

VERSION = 1
VIDEOS_PER_SHARD = 64  # about 400 MB with the original encoders
VIDEOS_PER_TAKE = 8

PAYLOAD = pa.schema(
    [
        *(features.SCHEMA.field(name) for name in ("visual", "visual_shape", "audio", "audio_shape")),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("scores", pa.list_(pa.float32())),
    ]
)
UNITS = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("vid", pa.string()),
        pa.field("frame_paths", pa.list_(pa.string())),
        pa.field("frame_hashes", pa.list_(pa.string())),
        pa.field("audio_path", pa.string()),
        pa.field("audio_hash", pa.string()),
    ]
)
# An array as it travels from loader to operator.
ARRAY = pa.struct([("shape", pa.list_(pa.int32())), ("data", pa.large_binary())])


@dataclass(frozen=True)
class Video:
    """A video that some sample refers to; paths are relative to the dataset."""

    key: str
    vid: str
    frame_paths: list[str]
    frame_hashes: list[str]
    audio_path: str | None
    audio_hash: str | None


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Encode every video of the samples that are not failed; with a shard, compute only and publish nothing."""
    settings = params.features
    recipe = make_recipe(settings)
    found = rows.compute(
        _units(_videos(workspace.samples, recipe=recipe)),
        recipe=recipe,
        payload=PAYLOAD,
        load=partial(
            load,
            dataset=workspace.dataset,
            side_px=clip.input_size_px(Path(settings.visual.weights)),
            in_segments=settings.audio.outputs == "features_and_tags",
        ),
        make_operator=partial(FeatureOperator, settings, device=execution.device),
        execution=execution,
    )
    taggers = {
        tagger: tagging.compute(
            _sounds(workspace, recipe=recipe), tagger, dataset=workspace.dataset, execution=execution
        )
        for tagger in _taggers(settings)
    }
    if execution.shard == WHOLE:
        publish(found, taggers, recipe=recipe, workspace=workspace, num_tags=settings.num_tags)


def make_recipe(settings: Features) -> Recipe:
    """What decides the features of a video. The number of tags is no part of it: rows hold the score of every class."""
    outputs = {} if settings.audio.outputs == "features_and_tags" else {"audio": settings.audio.outputs}
    digests = [weights.digest(Path(encoder.weights)) for encoder in (settings.visual, settings.audio)]
    return Recipe(
        stage="features",
        version=VERSION,
        params={"layer": settings.visual.layer, "dtype": settings.dtype, **outputs},
        weights="+".join(digests),
    )


class FeatureOperator:
    """Runs both encoders, one video at a time, so that a row never depends on its batch mates.

    The frames of a video fill a GPU by themselves: 10 frames are 2570 tokens of CLIP ViT-L/14.
    """

    def __init__(self, settings: Features, *, device: str) -> None:
        from tgs_pipeline.backends.encoder.beats import BeatsEncoder

        visual, audio = Path(settings.visual.weights), Path(settings.audio.weights)
        with weights.loading(visual, device=device):
            self.visual = clip.ClipEncoder(visual, layer=settings.visual.layer, device=device, dtype=settings.dtype)
        with weights.loading(audio, device=device):
            self.audio = BeatsEncoder(audio, device=device, dtype=settings.dtype)

    def __call__(self, table: pa.Table) -> pa.Table:
        columns: list[list] = [table["key"].to_pylist(), table["vid"].to_pylist(), _unpack(table["frames"], np.uint8)]
        columns += [_unpack(table["segments"], np.float32), _unpack(table["sound"], np.float32)]
        encoded = [self._encode(*video) for video in zip(*columns, strict=True)]
        return pa.Table.from_pylist(encoded, schema=pa.schema([*rows.OUTCOME, *PAYLOAD]))

    def _encode(
        self, key: str, vid: str, frames: np.ndarray, segments: np.ndarray | None, sound: np.ndarray | None
    ) -> dict:
        """One row; a video without sound has visual features only.

        Tags are of the whole clip, on which BEATs is trained; features of its tenths, as Ref-Thinker's.
        """
        row = dict.fromkeys(PAYLOAD.names) | {"key": key, "status": "ok", "reason": None}
        with np.errstate(over="ignore"):  # an overflow becomes a failed row
            found = {"visual": self.visual.encode(frames).astype(np.float16)}
            if segments is not None:
                found["audio"] = self.audio.encode(segments).astype(np.float16)
            if sound is not None:
                row |= {"labels": self.audio.labels, "scores": self.audio.classify(sound)}
        if not all(np.isfinite(array).all() for array in found.values()):
            reason = f"video {vid}: the encoders gave values that float16 cannot hold"
            return dict.fromkeys(PAYLOAD.names) | {"key": key, "status": "failed", "reason": reason}
        for name, array in found.items():
            row |= {name: array.tobytes(), f"{name}_shape": array.shape}
        return row


def load(units: pa.Table, *, dataset: Path, side_px: int, in_segments: bool) -> pa.Table:
    """Decode videos: `frames` squeezed to side_px, `segments` and `sound` as log-mels; a failure becomes a `reason`.

    in_segments: false where only tags are wanted, which sound of any length has.
    """
    columns: dict[str, list] = {"frames": [], "segments": [], "sound": [], "reason": []}
    for unit in units.to_pylist():
        try:
            video = _decode(Video(**unit), dataset=dataset, side_px=side_px, in_segments=in_segments) | {"reason": None}
        except ValueError as error:
            video = dict.fromkeys(columns) | {"reason": f"video {unit['vid']}: {error}"}
        for name, values in columns.items():
            values.append(video[name])
    for name, values in columns.items():
        units = units.append_column(name, pa.array(values, pa.string()) if name == "reason" else _pack(values))
    return units


def publish(
    found: Lookup, tagged: Mapping[Tagger, Lookup], *, recipe: Recipe, workspace: Workspace, num_tags: int
) -> None:
    """Write shards and tags. tagged: rows of further tags, by their tagger."""
    tags: list[pa.Table] = []
    num_videos = 0
    videos = _videos(workspace.samples, recipe=recipe)
    with replacing(workspace.features) as part:
        part.mkdir()
        for shard in table.chunks(videos, VIDEOS_PER_SHARD):
            tags.append(_write_shard(part / f"features-{len(tags):05}.arrow", shard, found=found, num_tags=num_tags))
            num_videos += len(shard)
        num_rows = table.write(part / workspace.audio_tags.name, features.AUDIO_TAGS, tags)
        for tagger, computed in tagged.items():
            name = {"clip": workspace.other_audio_tags, "seconds": workspace.second_tags}[tagger.spans].name
            tag_rows = tagging.tag_rows(_sounds(workspace, recipe=recipe), tagger, found=computed)
            table.write_rows(part / name, tagger.schema, tag_rows)
    log.info("features: %d videos, %d tags in %s", num_videos, num_rows, workspace.features)


def _videos(path: Path, *, recipe: Recipe) -> Iterator[Video]:
    """The distinct videos of the usable samples, in the order of their first sample."""
    columns = ["vid", "frame_paths", "frame_hashes", "audio_path", "audio_hash", "status"]
    seen: set[str] = set()
    for sample in table.read_rows(path, samples.SCHEMA, columns=columns):
        vid = sample["vid"]
        if sample["status"] == "failed" or vid in seen:
            continue
        seen.add(vid)
        key = recipe.key(sample["frame_hashes"], sample["audio_hash"])
        files = {name: sample[name] for name in ("frame_paths", "frame_hashes", "audio_path", "audio_hash")}
        yield Video(key=key, vid=vid, **files)


def _taggers(settings: Features) -> list[Tagger]:
    """Whose tags are asked for beside those of each clip by `audio`."""
    taggers = []
    if settings.other_tagger is not None:
        path = Path(settings.other_tagger)
        taggers.append(Tagger(path, spans="clip", dtype=settings.dtype, num_tags=settings.num_tags))
    if settings.num_second_tags:
        path = Path(settings.audio.weights)
        taggers.append(Tagger(path, spans="seconds", dtype=settings.dtype, num_tags=settings.num_second_tags))
    return taggers


def _sounds(workspace: Workspace, *, recipe: Recipe) -> Iterator[Sound]:
    """The sounds of the videos that have one, in the order of their first sample."""
    for video in _videos(workspace.samples, recipe=recipe):
        if video.audio_path is not None and video.audio_hash is not None:
            yield Sound(video.vid, video.audio_path, video.audio_hash)


def _units(videos: Iterator[Video]) -> Iterator[pa.Table]:
    for chunk in table.chunks(videos, VIDEOS_PER_SHARD):
        yield pa.Table.from_pylist([asdict(video) for video in chunk], schema=UNITS)


def _decode(video: Video, *, dataset: Path, side_px: int, in_segments: bool) -> dict[str, np.ndarray | None]:
    """Model inputs: frames uint8 (frames, side, side, 3), segments float32 (10, frames, 128), sound (frames, 128).

    The last two are None for a video without a sound track: whether that matters is for the thinker to say.
    """
    if not video.frame_paths:
        raise ValueError("it has no frame; extract its frames or leave its samples out")
    for path, expected in zip(video.frame_paths, video.frame_hashes, strict=True):
        media.check_content(dataset / path, expected)
    images = [media.read_image(dataset / path) for path in video.frame_paths]
    frames = np.stack([clip.resize(image, side_px=side_px) for image in images])
    if video.audio_path is None:
        return {"frames": frames, "segments": None, "sound": None}
    media.check_content(dataset / video.audio_path, video.audio_hash)
    waveform = media.read_audio(dataset / video.audio_path, sample_rate_hz=fbank.SAMPLE_RATE_HZ)
    try:
        segments = fbank.segment_log_mels(waveform) if in_segments else None
    except ValueError as error:
        raise ValueError(f"{dataset / video.audio_path}: {error}") from None
    return {"frames": frames, "segments": segments, "sound": fbank.log_mel(waveform)}


def _write_shard(path: Path, videos: list[Video], *, found: Lookup, num_tags: int) -> pa.Table:
    """Write the features of some videos, a record batch each, and return their tags."""
    tags: list[dict] = []
    with pa.ipc.new_file(path, features.SCHEMA) as writer:
        for chunk in table.chunks(videos, VIDEOS_PER_TAKE):
            for video, row in zip(chunk, found.take([video.key for video in chunk]).to_pylist(), strict=True):
                row["vid"] = video.vid
                writer.write_batch(pa.RecordBatch.from_pylist([row], schema=features.SCHEMA))
                tags += top_tags(video.vid, row["labels"] or [], row["scores"] or [], num_tags=num_tags)
    return table.from_rows(tags, features.AUDIO_TAGS)


def _pack(arrays: Sequence[np.ndarray | None]) -> pa.Array:
    """Arrays as an Arrow column of type ARRAY; None becomes null."""
    values = [None if array is None else {"shape": array.shape, "data": array.tobytes()} for array in arrays]
    return pa.array(values, ARRAY)


def _unpack(column: pa.ChunkedArray, dtype: type[np.generic]) -> list[np.ndarray | None]:
    """The arrays of a column of type ARRAY, as read-only views; null becomes None."""
    return [
        np.frombuffer(value["data"].as_buffer(), dtype).reshape(value["shape"].as_py()) if value.is_valid else None
        for value in column
    ]
