"""What a teacher is asked to make a plain reference reasoning-intensive (R2-AVSBench), and the check of its reply."""

from collections.abc import Sequence

from tgs_pipeline.prompts.naming import name_of, names_category, words_of

SYSTEM = (
    "You rewrite expressions that point out one object in a video with sound, so that a reader must reason to find it. "
    "Describe the same object by what it is for, how it makes its sound, or what people know about such things, in a "
    "relative clause (that, which, who, whose). Keep every property of the original that tells the object from the "
    "other objects of the video (place, colour, order, loudness, who uses it), so that the new expression still fits "
    "this object only. Do not use the name of the object's category, in singular or plural, nor a synonym for it. "
    "Reply with the new expression alone: one noun phrase of {min_words} to {max_words} words on one line, ending in a "
    "full stop, without quotation marks."
)


def system_prompt(*, words: tuple[int, int]) -> str:
    """The teacher's task; words: (min, max)."""
    return SYSTEM.format(min_words=words[0], max_words=words[1])


def question(*, reference: str, object_word: str, others: Sequence[str]) -> str:
    """The question about one reference. others: object words of the other objects of the clip, repeated for several."""
    shown = ", ".join(name_of(other) for other in others) or "none that is known"
    return (
        f"Original expression: {reference.strip()}\nCategory of the object: {name_of(object_word)}\n"
        f"Other objects of the video: {shown}"
    )


def check(reply: str, *, reference: str, object_word: str, words: tuple[int, int]) -> list[str]:
    """What is wrong with a rewritten reference; empty where nothing is."""
    problems = []
    if len(reply.splitlines()) != 1:
        problems.append(f"it has {len(reply.splitlines())} lines, expected one")
    if any(mark in reply for mark in '"“”<>*'):
        problems.append("it holds quotation marks or markup")
    num_words = len(reply.split())
    if not words[0] <= num_words <= words[1]:
        problems.append(f"it has {num_words} words, expected {words[0]} to {words[1]}")
    if (named := names_category(reply, object_word)) is not None:
        problems.append(f"it names the category ({named!r})")
    if words_of(reply) == words_of(reference):
        problems.append("it is the original expression")
    if not reply.endswith("."):
        problems.append("it does not end in a full stop")
    return problems
