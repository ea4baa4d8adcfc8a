"""The prompts of projector pretraining, in LLaMA-2's chat template (UPSTREAM_FACTS 2.9)."""

from typing import Literal

_CHAT = "<s>[INST] <<SYS>>\nYou are a helpful assistant.\n<</SYS>>\n\n{instruction} [/INST]"
_AUDIO = "This is an audio:\n<audio_start><audio><audio_end>\nPlease describe this audio."
_VISUAL = "This is {article} {kind}:\n<{kind}_start><{kind}><{kind}_end>\nPlease answer the question:\n{question}"
QUESTION = "What does the video show?"  # where captions come without a question
_ARTICLES = {"image": "an", "video": "a"}


def audio_prompt() -> str:
    """Asks what is heard."""
    return _CHAT.format(instruction=_AUDIO)


def visual_prompt(kind: Literal["image", "video"], question: str) -> str:
    """Asks a question about an image or a video; media tokens and line ends are taken out of the question."""
    plain = question.replace("<image>", "").replace("<video>", "").replace("\n", "")
    return _CHAT.format(instruction=_VISUAL.format(article=_ARTICLES[kind], kind=kind, question=plain))


def target(answer: str) -> str:
    """What the model learns to answer, with the end token."""
    return f"{answer} </s>"


def end_sentence(answer: str) -> str:
    """`answer` with a full stop, unless it ends with . or ! or ? already."""
    return answer if answer.rstrip().endswith((".", "!", "?")) else f"{answer}."
