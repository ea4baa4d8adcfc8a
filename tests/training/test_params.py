import pytest
import yaml
from project import ROOT

from tgs_pipeline.params import ParamsError
from tgs_pipeline.training.check import find_problems
from tgs_pipeline.training.params import load


@pytest.fixture
def write(tmp_path):
    """Write the committed params with changes (dotted name -> value); returns the path."""

    def change(changes):
        settings = yaml.safe_load((ROOT / "training/params.yaml").read_text())
        for name, value in changes.items():
            *sections, key = name.split(".")
            target = settings
            for section in sections:
                target = target[section]
            target[key] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(settings))
        return path

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finetune.warmup_step": 3}, "finetune.warmup_step: unknown key; did you mean 'finetune.warmup_steps'?"),
        ({"model.sizes.lora.rank": 0}, "model.sizes.lora.rank: Input should be greater than 0, got 0"),
        ({"finetune.schedule": "linear"}, "finetune.schedule: Input should be 'upstream' or 'cosine', got 'linear'"),
        ({"runtime.save_every_steps": 7}, "save_every_steps 7 is no multiple of pretrain_audio.log_every_steps 5"),
        (
            {"encoders.sound.log_every_steps": 3},
            "save_every_steps 20 is no multiple of encoders.sound.log_every_steps 3",
        ),
        (
            {"segmenter_clips.log_every_steps": 3},
            "save_every_steps 20 is no multiple of segmenter_clips.log_every_steps 3",
        ),
        ({"segmenter_image.decay": 1.0}, "segmenter_image.decay: unknown key; did you mean"),
        ({"backbone.log_every_steps": 3}, "save_every_steps 20 is no multiple of backbone.log_every_steps 3"),
        ({"detector.backbone_pace": 2}, "detector.backbone_pace: Input should be less than or equal to 1, got 2"),
        ({"model.dtype": "bfloat16"}, "model.dtype bfloat16 needs model.autocast true"),
        ({"corpus.audio.format": "audiocaps"}, "audiocaps and video_llava need JSON files"),
        ({"corpus.visual.annotations": ["a.json"]}, "tinyworld takes none"),
        ({"dataset.tinyworld": None}, "corpus.audio.format is tinyworld, but dataset.tinyworld is null"),
        (
            {"corpus.audio": {"format": "video_llava", "annotations": ["a.json"]}},
            "audiocaps holds captions of sounds, video_llava of images and videos",
        ),
    ],
)
def test_mistakes_are_explained(write, changes, message):
    with pytest.raises(ParamsError) as error:
        load(write(changes))
    assert message in str(error.value)


def test_missing_files_are_listed_at_once(write):
    changes = {"model.llama": "no/llama", "corpus.instructions": "no/set.json", "runtime.accelerate": "no/a.yaml"}
    changes |= {"segmenter_clips.start": "no/sam2.pt", "detector.backbone": "no/swin.safetensors"}
    path = write(changes)
    problems = find_problems(path)
    for name, file in changes.items():
        assert f"{name}: {file} is missing" in problems
    assert not [problem for problem in problems if "training/artifacts" in problem]
    assert find_problems(path.with_name("none.yaml"))[0].endswith(
        "start from a copy of training/params.yaml of the repository"
    )
