from tinyworld.samples import plans

from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.clip import chain_generator
from tgs_pipeline.tinyworld.words import split_words, vocabulary


def test_splitting():
    text = "The Hair-dryer didn't <s_object> 10,7."
    assert split_words(text) == ["the", "hair-dryer", "didn't", "<s_object>", "1", "0", ",", "7", "."]


def test_nothing_is_said_outside_the_vocabulary():
    words = vocabulary()
    assert words == sorted(set(words))
    assert not [word for word in words if "{" in word or word != word.lower()]
    known = set(words)
    for split, index, plan in plans():
        for reference in (*plan.references, *(other for other in plan.reasoning if other)):
            assert set(split_words(reference.text)) <= known, reference.text
        rows = [(plan.scene, reference) for reference in plan.references]
        rows += [(plan.null.scene, reference) for reference in plan.null.references] if plan.null else []
        for row, (scene, reference) in enumerate(rows):
            assert set(split_words(reference.text)) <= known, reference.text
            chain = write_chain(chain_generator(1, split, index, row), scene, reference)
            assert set(split_words(chain)) <= known, chain
