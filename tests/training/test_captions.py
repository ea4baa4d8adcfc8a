import json
import re

import pytest

from tgs_pipeline.prompts.pretraining import visual_prompt
from tgs_pipeline.tinyworld.categories import CATEGORIES
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.sampling import pool_of_split
from tgs_pipeline.training import captions

AUDIO_PROMPT = (
    "<s>[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n"
    "This is an audio:\n<audio_start><audio><audio_end>\nPlease describe this audio. [/INST]"
)


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_audiocaps(tmp_path):
    """Clip 12347 is left out, as upstream does (UPSTREAM_FACTS 2.9)."""
    items = [
        {"audiocap_id": 7, "start_time": 30, "caption": "A dog barks"},
        {"audiocap_id": "12347", "start_time": 0, "caption": "x"},
        {"audiocap_id": "8", "start_time": 0, "caption": "Rain"},
    ]
    rows = list(captions.audiocaps(write(tmp_path / "train.json", items)))
    assert [row["vid"] for row in rows] == ["7", "8"]
    assert rows[0] == {"name": "train.json:0", "vid": "7", "prompt": AUDIO_PROMPT, "target": "A dog barks </s>"}


def test_video_llava(tmp_path):
    def turns(question, answer):
        return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}, {"from": "human", "value": "z"}]

    items = [
        {"id": "1", "image": "llava/00/1.jpg", "conversations": turns("<image>\nWhat is it?", "A cat")},
        {"id": "2", "video": "valley/2.mp4", "conversations": turns("Describe.\n<video>", "It rains!")},
    ]
    image, video = captions.video_llava(write(tmp_path / "llava.json", items))
    assert (image["vid"], image["target"]) == ("llava/00/1.jpg", "A cat. </s>")
    assert image["prompt"].endswith(
        "This is an image:\n<image_start><image><image_end>\nPlease answer the question:\nWhat is it? [/INST]"
    )
    assert (video["vid"], video["target"]) == ("valley/2.mp4", "It rains! </s>")
    assert (
        "This is a video:\n<video_start><video><video_end>\nPlease answer the question:\nDescribe. [" in video["prompt"]
    )


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (captions.audiocaps, {"a": 1}, "expected a list of objects, found dict"),
        (captions.audiocaps, [{"audiocap_id": 1}], r"item 0: expected an object with 'caption'"),
        (captions.audiocaps, [{"audiocap_id": 1, "caption": " "}], r"item 0: expected a text, found ' '"),
        (captions.video_llava, [{"conversations": []}], r"item 0: expected either 'image' or 'video'"),
        (captions.video_llava, [{"image": "a", "conversations": [{}]}], "must hold a question and an answer"),
        (captions.video_llava, [{"image": "a", "conversations": [{}, {}]}], r"expected an object with 'value'"),
    ],
)
def test_ill_formed_files(tmp_path, read, content, message):
    with pytest.raises(ValueError, match=rf"x\.json.*{message}"):
        list(read(write(tmp_path / "x.json", content)))


def test_files_that_are_no_json(tmp_path):
    with pytest.raises(ValueError, match=r"x\.json: no such file"):
        list(captions.audiocaps(tmp_path / "x.json"))
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match=r"x\.json: not a JSON file"):
        list(captions.audiocaps(tmp_path / "x.json"))


def test_tinyworld_captions_tell_what_the_scene_holds():
    num_clips = {"train": 4, "val": 1, "test_s": 0, "test_u": 0, "test_n": 1}
    rows = {
        modality: list(captions.tinyworld(modality, seed=3, num_clips=num_clips, splits=["train", "test_n"]))
        for modality in ("visual", "audio")
    }
    plans = [plan_clip(3, "train", index) for index in range(4)]
    vids = [
        vid for plan in plans for vid in ([plan.vid, f"{plan.null.prefix}-{plan.vid}"] if plan.null else [plan.vid])
    ]
    null = plan_clip(3, "test_n", 0)
    assert [row["vid"] for row in rows["audio"]] == [*vids, f"{null.null.prefix}-{null.vid}"]
    assert [row["vid"] for row in rows["visual"]] == [row["vid"] for row in rows["audio"]]
    heard = {row["vid"]: row["target"] for row in rows["audio"]}
    for plan, row in ((plan, row) for plan in plans for row in rows["visual"] if row["vid"] == plan.vid):
        assert all(item.category in row["target"] for item in plan.scene.objects)
        for item in plan.scene.sounding():
            assert re.search(rf"\b{item.category} \w+ \w+ in \d", heard[plan.vid])
    crossed = [plan for plan in plans if plan.null and plan.null.prefix == "null_c"]
    assert crossed
    for plan in crossed:
        for category, _ in plan.null.scene.unseen_voices:
            assert re.search(rf"\b{category} \w+ \w+ in \d", heard[f"null_c-{plan.vid}"])
    assert not [text for text in heard.values() if "unseen" in text]  # the sound alone does not tell
    again = captions.tinyworld("audio", seed=3, num_clips=num_clips | {"train": 2}, splits=["train"])
    assert [row["target"] for row in again] == [row["target"] for row in rows["audio"]][: len(vids) - 3]


def test_tinyworld_captions_of_open_tell_of_every_category():
    """It is for the projectors: they must know more than fine-tuning shows."""
    num_clips = {"train": 40, "open": 40}
    told = {}
    for split in num_clips:
        rows = list(captions.tinyworld("visual", seed=3, num_clips=num_clips, splits=[split]))
        assert {plan_clip(3, split, index).vid for index in range(40)} <= {row["vid"] for row in rows}
        text = " ".join(row["target"] for row in rows)
        told[split] = {category for category in CATEGORIES if re.search(rf"\b{category}\b", text)}
    assert told["open"] == set(CATEGORIES)
    assert told["train"] == set(pool_of_split("train")[0]) < told["open"]


def test_a_question_cannot_hold_media_tokens():
    assert visual_prompt("image", "<video><image>a\nb").count("<image>") == 1
