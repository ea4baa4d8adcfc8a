import re

import pytest

from tgs_pipeline.data.sample import MAX_REFERENCE_CHARS, check_name, check_reference, read_csv


def read(path, text, *, required=("vid", "exp")):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_csv(path, required=required))


def test_rows_are_numbered_and_may_hold_commas_quotes_and_line_breaks(tmp_path):
    rows = read(tmp_path / "m.csv", '\ufeffvid,exp\r\na,"The ""big"", loud dog"\r\nb,"two\nlines"\r\n')
    assert rows == [(0, {"vid": "a", "exp": 'The "big", loud dog'}), (1, {"vid": "b", "exp": "two\nlines"})]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vid,text\na,b\n", r"lacks the column\(s\) \['exp'\]; found \['vid', 'text'\]"),
        ("", r"lacks the column\(s\) \['vid', 'exp'\]; found an empty file"),
        ("vid,exp\na,b\na,b,c\n", r"m\.csv, line 3: expected 2 fields \(vid, exp\); quote fields that hold commas"),
        ("vid,exp\na\n", r"m\.csv, line 2: expected 2 fields"),
        ('vid,exp\na,"b\n', r"not a well-formed CSV file"),
        ("vid,exp\na,d\xe9j\xe0\n".encode("latin-1"), r"m\.csv: not UTF-8 \(.*\); save the file as UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "m.csv", text)


def test_a_missing_file_says_where_to_look(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.csv: no such file; check dataset\.root and dataset\.metadata"):
        list(read_csv(tmp_path / "absent.csv", required=("vid",)))


@pytest.mark.parametrize("name", ["a", "abc_-12345x_10000_20000", "null_m-A9"])
def test_names_of_folders(tmp_path, name):
    assert check_name(name, path=tmp_path, row=0) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a b", "a\n", "ä", "a\x00"])
def test_names_that_could_lead_elsewhere_are_refused(tmp_path, name):
    with pytest.raises(
        ValueError, match=rf"m\.csv, data row 7: {re.escape(repr(name))} is no valid id; ids name folders"
    ):
        check_name(name, path=tmp_path / "m.csv", row=7)


@pytest.mark.parametrize("text", ["a", "  the loudest  ", "吉他?", "two\nlines\tand a tab", "x" * MAX_REFERENCE_CHARS])
def test_references_are_kept_verbatim(tmp_path, text):
    assert check_reference(text, path=tmp_path, row=0) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" \n", "the reference is empty"),
        ("x" * (MAX_REFERENCE_CHARS + 1), r"the reference has 2001 characters \(limit 2000\)"),
        ("bell \x07", "the reference holds control characters: 'bell"),
    ],
)
def test_references_that_cannot_be_used_are_named_by_row(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"m\.csv, data row 3: {message}"):
        check_reference(text, path=tmp_path / "m.csv", row=3)
