from tgs_pipeline.compat.batches import batches
from tgs_pipeline.rows import Recipe

RECIPE = Recipe(stage="think", version=1, params={}, weights="")


def rows(num: int, *, split: str = "test_s", first: int = 0) -> list[dict]:
    return [{"row": row, "split": split, "vid": f"v{row}", "reference": f"r{row}"} for row in range(first, first + num)]


def make(samples: list[dict], left_out: tuple[int, ...] = ()):
    def content_of(sample: dict) -> list[str] | None:
        return None if sample["row"] in left_out else [sample["vid"], sample["reference"]]

    return list(batches(samples, content_of=content_of, recipe=RECIPE))


def test_eight_in_order_and_the_rest():
    assert [batch.rows for batch in make(rows(11))] == [list(range(8)), [8, 9, 10]]


def test_each_split_has_batches_of_its_own():
    mixed = [*rows(2), *rows(9, split="test_u", first=2), *rows(1, first=11)]
    assert [batch.rows for batch in make(mixed)] == [[2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 11], [10]]


def test_what_cannot_be_asked_takes_no_place():
    assert [batch.rows for batch in make(rows(9), left_out=(3,))] == [[0, 1, 2, 4, 5, 6, 7, 8]]


def test_a_key_holds_the_whole_batch_and_the_place():
    (one,), (other,) = make(rows(3)), make(rows(2))
    assert len({*one.keys, *other.keys}) == 5


def test_units_know_their_mates():
    units = make(rows(2))[0].units().to_pylist()
    assert [unit["place"] for unit in units] == [0, 1]
    assert units[1]["vids"] == ["v0", "v1"] and units[1]["references"] == ["r0", "r1"] and units[1]["vid"] == "v1"
