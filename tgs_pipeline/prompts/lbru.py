"""What a multimodal model is asked about sounding objects, after AL-Ref-SAM 2 (figures 2 and 5 of its paper).

LBRU and pivot frame in one question: sound labels of a tagger are filtered and merged, in view of the frames, into
the objects that sound, and for each the frame that shows it best is chosen. Then, for an object with several candidate
boxes, which of them sounds. The questions ask what the published ones ask (UPSTREAM_FACTS 6.1) in words of ours; they
are asked of another model anyway (trap T46).
"""

from collections.abc import Sequence

from tgs_pipeline.prompts.listed import Compat, ReadId, ReadObjects, first_id_or_one, objects_or_nothing
from tgs_pipeline.prompts.listed import read_id as read_id_strictly
from tgs_pipeline.prompts.listed import read_objects as read_objects_strictly
from tgs_pipeline.prompts.tiles import describe_layout
from tgs_pipeline.prompts.visible_boxes import VisibleBox, describe_boxes

_OBJECTS = (
    "{layout} A sound classifier heard in the same video, sorted by name: {labels}. "
    "Go through these labels in view of the picture: drop those whose source cannot be seen in the video and those too "
    "abstract to belong to one thing, and merge those that mean the same object. {what} "
    "Choose its category from this list wherever one fits: {categories}. {note}"
    "For each category choose the frame in which the object can be told most clearly. "
    "Answer with the list alone, in the form {form}, where the name is the category and the number that of the frame."
)
_SEVERAL = "Then name the category of every object that makes a sound in the video, each category once."
_SINGLE = "Then name the category of the one object that makes the sound."
_KEYBOARD = "In this list a keyboard is for typing; it is no musical instrument. "

_BOX = (
    "{layout} Boxes with numbers are drawn in frame {frame}: candidates for the {name} that makes a sound in the "
    "video. {boxes} Choose the box of the object that most likely makes the sound. Three hints: "
    "(1) of a string instrument such as a violin the body is meant, without the bow; "
    "(2) the box should hold the whole object, not a part of it, so that of two nested boxes the larger one is usually "
    "right; (3) what sounds is usually conspicuous or in motion. "
    "Answer with the number of the box alone, in square brackets: [1] to [{num_boxes}]."
)


def objects_question(
    labels: Sequence[str], *, categories: Sequence[str], num_frames: int, columns: int, single: bool
) -> str:
    """Which objects sound, and in which frame each shows best.

    labels: of the sound tagger, in any order; they are sorted and named once, so that equal sets ask the same (T42).
    categories: names to choose from. columns: of the picture of all frames. single: one object is wanted (S4).
    """
    form = "['category': 1]" if single else "['category': 1] or ['first category': 1, 'second category': 2, ...]"
    return _OBJECTS.format(
        layout=describe_layout(num_frames, columns=columns),
        labels=", ".join(sorted(set(labels))) or "nothing that it knows",
        what=_SINGLE if single else _SEVERAL,
        categories=", ".join(categories),
        note=_KEYBOARD if "keyboard" in categories else "",
        form=form,
    )


def read_objects(reply: str, *, num_frames: int, single: bool, compat: Compat) -> ReadObjects:
    """The objects of a reply; frames are counted from 1."""
    read = objects_or_nothing if compat == "parity" else read_objects_strictly
    return read(reply, num_frames=num_frames, single=single)


def box_question(name: str, *, frame: int, boxes: Sequence[VisibleBox], num_frames: int, columns: int) -> str:
    """Which of the boxes drawn in frame number `frame` (from 1) is the sounding object."""
    return _BOX.format(
        layout=describe_layout(num_frames, columns=columns),
        frame=frame,
        name=name,
        boxes=describe_boxes(boxes, measures=True),
        num_boxes=len(boxes),
    )


def read_box(reply: str, *, num_boxes: int, compat: Compat) -> ReadId:
    """The number of the chosen box, from 1."""
    if compat == "parity":
        return first_id_or_one(reply, num_choices=num_boxes)
    return read_id_strictly(reply, num_choices=num_boxes, prose=False)
