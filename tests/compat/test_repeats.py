from tgs_pipeline.compat import repeats


def sample(uid: str, row: int, *masks: str | None) -> dict:
    return {"uid": uid, "row": row, "mask_paths": list(masks)}


SAMPLES = [sample("saw_4", 0, "fid_4"), sample("dog_1", 1, "fid_1"), sample("saw_4", 2, "fid_0")]


def test_the_first_row_is_scored_against_the_last_ground_truth():
    found = repeats.find(SAMPLES)
    assert list(found) == ["saw_4"]
    first, left_out = repeats.as_upstream(SAMPLES[0], found)
    assert (first["mask_paths"], left_out) == (["fid_0"], None)
    _, left_out = repeats.as_upstream(SAMPLES[2], found)
    assert left_out == "the uid stands in row 0 already, which is scored in its place, as upstream"


def test_others_stay_as_they_are():
    assert repeats.as_upstream(SAMPLES[1], repeats.find(SAMPLES)) == (SAMPLES[1], None)
    assert repeats.as_upstream(SAMPLES[2], {}) == (SAMPLES[2], None)


def test_a_row_without_frames_keeps_its_ground_truth():
    failed = [sample("saw_4", 0), sample("saw_4", 1, "fid_0")]
    assert repeats.as_upstream(failed[0], repeats.find(failed)) == (failed[0], None)
