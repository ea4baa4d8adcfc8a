import csv
import json

from tgs_pipeline.sweep.table import Row, as_markdown, write


def row(name, *, seen, null, oracle=()):
    return Row(
        name,
        {"ground.prompt": name},
        oracle,
        {
            "protocol": "tgs",
            "splits": {
                "test_s": {"J": seen, "F": seen, "JF": seen, "samples": 4, "coverage": 1.0},
                "test_n": {"S": null, "false_positive_rate": 0.25, "samples": 2, "coverage": 0.5},
            },
        },
    )


ROWS = [row("T_s", seen=0.5, null=0.125), row("a|b", seen=None, null=0.0, oracle=("name", "box"))]


def test_markdown_has_every_score_with_protocol_and_coverage():
    lines = as_markdown(ROWS, title="Prompts").splitlines()
    assert lines[0].startswith("**Prompts** (all in percent, but S from 0 to 1")
    assert lines[2] == (
        "| row | protocol | test_s J&F | test_s J | test_s F | test_s coverage | test_n S | test_n false positives | "
        "test_n coverage |"
    )
    assert lines[4] == "| T_s | tgs | 50.0 | 50.0 | 50.0 | 100.0 | 0.125 | 25.0 | 50.0 |"
    assert lines[5].startswith("| a\\|b (oracle: name and box) | tgs | - | - | - | 100.0 | 0.000 |")


def test_rows_of_other_splits_leave_gaps():
    other = Row("R2", {}, (), {"protocol": "tgs", "splits": {"test_u": {"JF": 0.25, "coverage": 1.0}}})
    lines = as_markdown([ROWS[0], other], title="t").splitlines()
    assert lines[5] == "| R2 | tgs | - | - | - | - | - | - | - | 25.0 | 100.0 |"


def test_all_files_hold_the_same_rows(tmp_path):
    assert write(tmp_path, ROWS, title="Prompts <1>") == (tmp_path / "table.md").read_text()
    with (tmp_path / "table.csv").open(newline="") as handle:
        found = list(csv.DictReader(handle))
    assert [one["row"] for one in found] == ["T_s", "a|b"] and found[0]["test_n S"] == "0.125"
    assert json.loads(found[0]["changes"]) == {"ground.prompt": "T_s"} and found[1]["test_s JF"] == ""
    content = json.loads((tmp_path / "table.json").read_text())
    assert content[1]["oracle"] == ["name", "box"] and content[0]["splits"]["test_s"]["JF"] == 0.5
    page = (tmp_path / "chart.html").read_text()
    assert page.count("<svg") == 2 and "<script" not in page and "Prompts &lt;1&gt;" in page
    assert page.count("<tr>") == 3 and "<tr><th>a|b (oracle: name and box)</th><td>tgs</td><td>-</td>" in page


def test_names_of_rows_are_text_on_the_page(tmp_path):
    write(tmp_path, [row("<script>alert(1)</script>", seen=0.5, null=0.0)], title="t")
    page = (tmp_path / "chart.html").read_text()
    assert "<script" not in page and "<th>&lt;script&gt;alert(1)&lt;/script&gt;</th>" in page
