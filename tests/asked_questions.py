"""Questions in the order in which an evaluation asks them, and thinkers whose answers are known."""

from tgs_pipeline.backends.thinker.base import Reply
from tgs_pipeline.prompts.ref_thinker import parse_reply
from tgs_pipeline.tinyworld.chains import write_chain
from tgs_pipeline.tinyworld.clip import chain_generator, plan_clip
from tgs_pipeline.training.evaluation.questions import questions_of

NUM_CLIPS = {"test_s": 10, "test_u": 10, "test_n": 6}


def questions(seeds, num_clips):
    return [
        question
        for seed in seeds
        for split, number in num_clips.items()
        for index in range(number)
        for question in questions_of(plan_clip(seed, split, index), seed=seed, split=split)
    ]


def reply_of(text):
    parsed = parse_reply(text, truncated=False)
    return Reply(text, len(text.split()), parsed.think, parsed.f_object, parsed.s_object, parsed.status, parsed.reason)


def truth(question):
    """The chain from ground truth."""
    return write_chain(chain_generator(1, "val", 0, 0), question.scene, question.reference)


class Scripted:
    """Answers question after question as `say` tells; a request of another reference is a fault of the evaluation."""

    def __init__(self, asked, say):
        self._left, self._say = list(asked), say
        self.batch_sizes = []

    def think(self, requests):
        self.batch_sizes.append(len(requests))
        replies = []
        for request in requests:
            question = self._left.pop(0)
            assert request.reference == question.reference.text
            replies.append(reply_of(self._say(question)))
        return replies
