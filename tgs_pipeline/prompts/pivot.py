"""What a multimodal model is asked about a referring expression, after AL-Ref-SAM 2 (figure 5 of its paper).

Two steps with a chain of thought each: the pivot frame of a window of frames, then the pivot box among the candidates
drawn in that frame. The second asks for the scene, for what each box holds and for a syntax analysis of the expression
first, since a model that is asked for the box alone takes the most conspicuous object (table 6 of the paper). The
questions ask what the published ones ask (UPSTREAM_FACTS 6.2) in words of ours.
"""

from collections.abc import Sequence

from tgs_pipeline.prompts.listed import Compat, ReadId, last_id
from tgs_pipeline.prompts.listed import read_id as read_id_strictly
from tgs_pipeline.prompts.tiles import describe_layout
from tgs_pipeline.prompts.visible_boxes import VisibleBox, describe_boxes, one_line

_FRAME = (
    "{layout} First describe in detail what happens in the video. Then choose the one frame that shows best what is "
    'meant by "{reference}": it should be clearly visible there, sharp and not hidden, so that it can be segmented '
    "well. End with a line that holds the number of that frame alone, in square brackets, such as [1]."
)
_BOX = (
    "{layout} In frame {frame}, {boxes} A detector that is often wrong was asked to find what is described: take its "
    "words as a hint only and trust your eyes. Go step by step.\n"
    "1. The scene: describe the video, each frame, and every object in frame {frame}.\n"
    "2. The boxes: describe what each box holds, and how these objects relate to each other.\n"
    '3. The description: "{reference}". Analyse its syntax and find the main object, which the sentence is about. '
    "It often comes first. An object is not the main one because much is said about it.\n"
    "4. The choice: find the box that fits the main object and nothing else. It should hold the whole main object, and "
    "no other object that the description merely mentions.\n"
    "5. The answer: end with a line that holds the number of that box alone, in square brackets, from [1] to "
    "[{num_boxes}], or [-1] where no box fits."
)


def frame_question(reference: str, *, num_frames: int, columns: int) -> str:
    """Which frame shows best what the reference means."""
    return _FRAME.format(layout=describe_layout(num_frames, columns=columns), reference=one_line(reference))


def read_frame(reply: str, *, num_frames: int, compat: Compat) -> ReadId:
    """The number of the chosen frame, from 1."""
    if compat == "parity":
        return last_id(reply, num_choices=num_frames, drop_emphasis=False)
    return read_id_strictly(reply, num_choices=num_frames, prose=True)


def box_question(reference: str, *, frame: int, boxes: Sequence[VisibleBox], num_frames: int, columns: int) -> str:
    """Which of the boxes drawn in frame number `frame` (from 1) is what the reference means."""
    return _BOX.format(
        layout=describe_layout(num_frames, columns=columns),
        frame=frame,
        boxes=describe_boxes(boxes, measures=False),
        reference=one_line(reference),
        num_boxes=len(boxes),
    )


def read_box(reply: str, *, num_boxes: int, compat: Compat) -> ReadId:
    """The number of the chosen box, from 1; status none where the model says that no box fits."""
    if compat == "parity":
        return last_id(reply, num_choices=num_boxes, drop_emphasis=True)
    return read_id_strictly(reply, num_choices=num_boxes, prose=True)
