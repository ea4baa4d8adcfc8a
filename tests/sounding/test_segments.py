import json

import numpy as np
import pytest

from tgs_pipeline.sounding.segments import Segment, activity, expand, find_segments, read_segments

SEGMENTS = (Segment(0, 2), Segment(2, 3))
FILES = {"ms3": 64, "v2_binary": 750, "avss": 1554}


def test_segments_are_read(tmp_path):
    path = tmp_path / "segments.json"
    path.write_text('{"v1": [[0, 2], [2, 3]], "v2": [[0, 10]]}')
    assert read_segments(path) == {"v1": SEGMENTS, "v2": (Segment(0, 10),)}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ([], "expected a list of segments"),
        ("0-5", "expected a list of segments"),
        ([[0, 2.5]], "expected \\[start, end\\] in whole seconds"),
        ([[False, True]], "whole seconds"),
        ([[0, 1, 2]], "whole seconds"),
        ([[1, 2]], "begin at 0 and follow one another"),
        ([[0, 2], [3, 4]], "follow one another"),
        ([[0, 2], [1, 4]], "follow one another"),
        ([[0, 0]], "follow one another"),
        ([[0, 10**9]], "the limit is 3600 s"),
    ],
)
def test_other_segments_are_refused(tmp_path, entry, reason):
    path = tmp_path / "segments.json"
    path.write_text(json.dumps({"v1": [[0, 5]], "v2": entry}))
    with pytest.raises(ValueError, match=f"video 'v2': .*{reason}"):
        read_segments(path)


@pytest.mark.parametrize(("text", "reason"), [("[]", "found list"), ("{", "not JSON"), ("\udcff", "not JSON")])
def test_other_files_are_refused(tmp_path, text, reason):
    path = tmp_path / "segments.json"
    with pytest.raises(ValueError, match="cannot be read"):
        read_segments(path)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=reason):
        read_segments(path)


@pytest.mark.parametrize(("num_sec", "expected"), [(3, "aab"), (5, "aabbb"), (2, "aa"), (1, "a")])
def test_what_holds_in_a_segment_holds_in_its_seconds(num_sec, expected):
    assert expand(SEGMENTS, ["a", "b"], num_sec=num_sec) == list(expected)


def test_there_must_be_a_value_for_each_segment():
    with pytest.raises(ValueError, match="2 segments and 1 values"):
        expand(SEGMENTS, ["a"], num_sec=3)
    with pytest.raises(ValueError, match="0 segments"):
        expand([], [], num_sec=3)


def test_who_sounds_when():
    heard = [["man", "dog"], ["man"]]
    assert activity(["dog", "man"], SEGMENTS, heard, num_sec=4) == [["dog", "man"]] * 2 + [["man"]] * 2
    assert activity(["dog"], SEGMENTS, [[], []], num_sec=2) == [["dog"]] * 2  # alone it sounds all the time
    assert activity([], (), [], num_sec=2) == [[], []]
    with pytest.raises(ValueError, match=r"\['cat'\] are heard"):
        activity(["dog", "man"], SEGMENTS, [["cat"], []], num_sec=3)


@pytest.mark.parametrize("name", FILES)
def test_all_recorded_segments_expand_as_in_the_published_code(shared_data, name):
    """It goes through the intervals, one entry for each second between their ends, and repeats the last up to T."""
    folder = shared_data / "al_ref_sam2/audio_segment"
    if not folder.is_dir():
        pytest.skip("the recorded sound segments of AL-Ref-SAM 2 are not among the shared data")
    recorded = json.loads((folder / f"{name}_audio_segment.json").read_text())
    long = json.loads((folder / "v2_binary_audio_segment.json").read_text())
    read = read_segments(folder / f"{name}_audio_segment.json")
    assert list(read) == list(recorded) and len(read) == FILES[name]
    num_padded = 0
    for vid, intervals in recorded.items():
        num_sec = 10 if name != "ms3" and vid in long else 5
        published = []
        for number, (start, end) in enumerate(intervals):
            published += [[f"object {number}"]] * (end - start)
        num_padded += len(published) < num_sec
        while len(published) < num_sec:
            published.append(published[-1])
        names = [f"object {number}" for number in range(len(intervals) + 1)]
        heard = [[name] for name in names[:-1]]
        assert activity(names, read[vid], heard, num_sec=num_sec) == published, vid
    assert num_padded == {"ms3": 0, "v2_binary": 8, "avss": 19}[name]


DOG, CAR, BOTH = [0.9, 0.0, 0.1], [0.0, 0.8, 0.1], [0.6, 0.6, 0.1]


@pytest.mark.parametrize(
    ("seconds", "similarity", "segments"),
    [
        ([DOG, DOG, CAR, CAR, DOG], 0.5, [(0, 2), (2, 4), (4, 5)]),  # only neighbours come together
        ([DOG, BOTH, BOTH], 0.5, [(0, 3)]),  # cosine 0.71
        ([DOG, BOTH, BOTH], 0.8, [(0, 1), (1, 3)]),
        ([DOG, CAR, DOG], 0.0, [(0, 3)]),
        ([DOG, [0.09, 0.0, 0.01]], 0.99, [(0, 2)]),  # the same sound, ten times fainter
        ([CAR], 0.5, [(0, 1)]),
    ],
)
def test_neighbouring_seconds_that_sound_alike_are_a_segment(seconds, similarity, segments):
    assert find_segments(np.array(seconds), similarity=similarity) == tuple(Segment(*pair) for pair in segments)


@pytest.mark.parametrize("seconds", [np.zeros((0, 3)), np.array([DOG, [0.0, 0.0, 0.0]])])
def test_seconds_without_tags_have_no_segments(seconds):
    with pytest.raises(ValueError, match="expected one second or more, each with a sound class"):
        find_segments(seconds, similarity=0.5)
