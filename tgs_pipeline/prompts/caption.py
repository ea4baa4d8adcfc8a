"""Captions: how the text of a chain is given to the detector."""


def caption(text: str) -> str:
    """`text` in lower case, without surrounding blanks, ending with a dot; ValueError where it holds no word.

    The detector reads its caption as sub-sentences that end in dots. Upstream appends a dot even where there is one
    already and asks for "guitar.." (UPSTREAM_FACTS 4.2): here a dot is added only where it is absent.
    """
    plain = text.lower().strip()
    if not any(char.isalnum() for char in plain):
        raise ValueError(f"{text!r} holds no word, so the detector cannot be asked for it")
    return plain if plain.endswith(".") else f"{plain}."
