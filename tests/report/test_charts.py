from xml.etree import ElementTree

from tgs_pipeline.report.charts import histogram

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg):
    return [path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if "count: " in path.get("aria-label", "")]


def test_a_histogram_draws_every_bin_with_its_count():
    drawn = bars(histogram([3, 0, 8, 1], axis="J&F"))
    assert [path.get("aria-label").rsplit(" ", 1)[1] for path in drawn] == ["3", "0", "8", "1"]
    assert {path.get("fill") for path in drawn} == {"currentColor"}


def test_a_histogram_needs_no_style_attribute_and_is_the_same_every_time():
    svg = histogram([1] * 20, axis="S")
    assert " style=" not in svg and "<style" not in svg and "<script" not in svg  # the page's policy forbids them
    assert svg == histogram([1] * 20, axis="S")
