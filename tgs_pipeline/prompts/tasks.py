"""Names of the questions that a multimodal model is asked to choose with; recorded replies are kept under them."""

OBJECTS = "objects"  # prompts/lbru.py: which objects sound, and in which frame each shows best
FRAME = "frame"  # prompts/pivot.py: the frame that shows the reference best
BOX = "box"  # prompts/lbru.py and prompts/pivot.py: the box of what is meant
