from dataclasses import replace

from faithfulness.thinking_example import make_sample

from tgs_pipeline.faithfulness.cases import chain_cases, chain_of, draw, swap_cases

NAMES = ["dog", "cat", "null", "red car"]
SAMPLES = [make_sample(row, f"v{row // 2}", NAMES[row % 4]) for row in range(20)]


def of(cases, intervention):
    return [case for case in cases if case.intervention == intervention]


def test_an_edited_chain_concludes_another_name_everywhere():
    cases = of(chain_cases(SAMPLES, seed=0, number=99), "edited_chain")
    assert {case.sample.row for case in cases} == {row for row in range(20) if row % 4 != 2}  # all with a name
    for case in cases:
        assert case.expected in {"dog", "cat", "red car"} - {case.sample.answer}
        assert case.forced == f"<think>\nA {case.expected} is seen. So it is the {case.expected}.\n</think>"
        assert case.detail == f"{case.sample.answer} -> {case.expected}"
        assert case.visual_vid == case.audio_vid == case.sample.vid and case.should_change is None
    assert {case.expected for case in cases} == {"dog", "cat", "red car"}


def test_names_are_replaced_as_whole_words_in_any_case_and_only_by_absent_ones():
    thoughts = "A Dog and a dogfish, but no cat: the {name}-like DOG. So {name}."
    one = make_sample(0, "a", "dog", thoughts=thoughts)
    pool = [one, make_sample(1, "b", "cat"), make_sample(2, "c", r"a \1 car")]
    (case,) = [case for case in of(chain_cases(pool, seed=0, number=9), "edited_chain") if case.sample is one]
    name = r"a \1 car"
    assert case.forced == f"<think>\nA {name} and a dogfish, but no cat: the {name}-like {name}. So {name}.\n</think>"


def test_chains_that_cannot_be_edited_take_no_part():
    unsaid = make_sample(0, "a", "dog", thoughts="It barks.")
    unended = replace(make_sample(1, "b", "cat"), raw="<think> the cat")
    others = [make_sample(2, "c", "car"), make_sample(3, "d", "null")]
    cases = chain_cases([unsaid, unended, *others], seed=0, number=9)
    assert [case.sample.row for case in of(cases, "edited_chain")] == [2]
    foreign = of(cases, "foreign_chain")
    assert {case.sample.row for case in foreign} == {0, 1, 2, 3}
    assert not [case for case in foreign if case.detail == unended.uid]
    assert of(chain_cases([others[0]], seed=0, number=9), "edited_chain") == []  # there is no other name


def test_a_foreign_chain_is_of_another_clip_and_answer():
    by_uid = {sample.uid: sample for sample in SAMPLES}
    cases = of(chain_cases(SAMPLES, seed=0, number=99), "foreign_chain")
    assert len(cases) == 20
    for case in cases:
        donor = by_uid[case.detail]
        assert donor.vid != case.sample.vid and donor.answer != case.sample.answer == by_uid[case.sample.uid].answer
        assert case.forced == chain_of(donor.raw) and case.expected == donor.answer
        assert case.visual_vid == case.audio_vid == case.sample.vid
    assert chain_cases([sample for sample in SAMPLES if sample.vid == "v0"], seed=0, number=9)[2:] == []
    same = [replace(sample, answer="Dog" if sample.row % 2 else "dog") for sample in SAMPLES]
    assert of(chain_cases(same, seed=0, number=9), "foreign_chain") == []


def test_media_are_swapped_one_at_a_time():
    cases = swap_cases(SAMPLES, seed=0, number=5)
    assert [case.intervention for case in cases] == ["swapped_sound"] * 5 + ["swapped_frames"] * 5
    for case in cases:
        given, own = (case.audio_vid, case.visual_vid) if case.intervention == "swapped_sound" else (
            case.visual_vid, case.audio_vid)  # fmt: skip
        assert own == case.sample.vid != given and case.detail.startswith(given)
        assert case.forced == "" and case.expected is None and case.should_change is None
    assert swap_cases(SAMPLES[:2], seed=0, number=5) == []  # one clip has no other


def test_the_drawing_depends_on_the_seed_and_hardly_on_the_rest_of_the_dataset():
    def rows(samples, seed):
        return [case.sample.row for case in of(chain_cases(samples, seed=seed, number=8), "foreign_chain")]

    assert rows(SAMPLES, 0) == rows(SAMPLES[::-1], 0) != rows(SAMPLES, 1)
    assert len(set(rows(SAMPLES, 0)) & set(rows(SAMPLES[:-2], 0))) >= 6
    assert len(set(rows(SAMPLES, 0))) == 8
    assert [sample.row for sample in draw(SAMPLES[4:], "x")] == [s.row for s in draw(SAMPLES, "x") if s.row >= 4]
