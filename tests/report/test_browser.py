"""The page in a real browser: headless Chromium, opened from file://."""

import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import yaml
from project import ROOT
from report.artifacts_example import BOLD_TAG, IMAGE_TAG, SCRIPT_TAG, write_example, write_many, write_objects

from tgs_pipeline.metrics import rle
from tgs_pipeline.operators import report
from tgs_pipeline.params import Params
from tgs_pipeline.stage import execution_of

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
LIST_TEXTS = "[...document.querySelectorAll('#list .reference')].map(e => e.textContent)"
LIST_SCORES = "[...document.querySelectorAll('#list .score')].map(e => e.textContent)"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is not installed, and CI must run the browser tests: apt-get install chromium")
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


def make(workspace, *, frame_width_px=48):
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["report"] |= {"frame_width_px": frame_width_px}
    params = Params.model_validate(data)
    report.run(params, workspace, execution_of(params, stage="report"))
    return workspace.report / "index.html"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return make(write_example(tmp_path_factory.mktemp("browser")))


@contextmanager
def opened(browser, index, *, fragment="", **options):
    """The page with its first sample drawn; on leaving: no error, no dialog, and nothing was asked of a network."""
    page = browser.new_page(**options)
    trouble, requests = [], []
    page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (trouble.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(index.as_uri() + fragment)
    ready(page)
    yield page
    page.close()
    assert not trouble
    folder = index.parent.as_uri()
    assert not [url for url in requests if not url.startswith((f"{folder}/", "data:", "blob:"))]


def ready(page):
    """Wait for the sample; a selector, because the page's policy forbids the eval in Playwright's wait_for_function."""
    page.wait_for_selector("#detail[aria-busy=false]")


def show(page, row):
    page.goto(f"{page.url.partition('#')[0]}#row-{row}")
    page.wait_for_selector(f"#detail[aria-busy=false][data-row='{row}']")


def pixel(page, number, x, y):
    """RGBA of a pixel of canvas `number` of the frames."""
    script = """([number, x, y]) => {
        const copy = new OffscreenCanvas(1, 1).getContext("2d");
        copy.drawImage(document.querySelectorAll(".frame canvas")[number], -x, -y);
        return [...copy.getImageData(0, 0, 1, 1).data];
    }"""
    return page.evaluate(script, [number, x, y])


def test_a_sample_shows_frames_masks_boxes_chain_and_scores(browser, index):
    with opened(browser, index) as page:
        assert page.text_content("#reference") == "The dog on the left."
        assert page.locator(".frame").count() == 10 and page.locator(".frame canvas").count() == 20
        assert page.locator("#numbers dd").all_text_contents() == ["92.5", "90.0", "95.0"]
        assert "The video shows a dog and a car." in page.text_content("#think")
        assert page.text_content("#tokens") == "57 tokens"
        assert page.text_content(".frame figcaption") == "frame 0 · 0.0 s · box 0.75 dog · predicted IoU 0.90"
        page.check("input[value=mask]")
        page.uncheck("#show-box")
        assert page.locator(".frame canvas").count() == 10
        inside, outside = pixel(page, 0, 14, 16), pixel(page, 0, 40, 2)
        page.check("input[value=truth]")
        truth = pixel(page, 0, 14, 16)
        page.check("input[value=errors]")
        both = pixel(page, 0, 14, 16)
        assert len({tuple(p) for p in (inside, truth, both)}) == 3  # three colours over one background
        assert inside[0] > truth[0] and truth[2] > inside[2]  # orange over blue
        assert outside[3] == 255 and pixel(page, 0, 40, 2) == outside
        page.check("#show-box")
        assert page.locator(".frame canvas").first.get_attribute("aria-label") == "Frame 0, errors"
        box = page.evaluate("opened.answer.frames[0].box.xyxy")
        assert pixel(page, 0, round(box[0] * 48), round((box[1] + box[3]) * 16)) != outside


def test_objects_that_share_a_frame_have_a_box_and_a_name_each(browser, tmp_path):
    index = make(write_objects(tmp_path, height=160, width=240), frame_width_px=240)
    with opened(browser, index) as page:
        page.check("input[value=mask]")
        assert page.locator(".frame figcaption").all_text_contents()[2].split(" · ")[2:4] == [
            "guitar: 0.50 guitar",
            f"{BOLD_TAG}: 0.25 {BOLD_TAG}",
        ]
        label = page.locator(".frame canvas").nth(2).get_attribute("aria-label")
        assert label == f"Frame 2, prediction, guitar, {BOLD_TAG}"
        assert "ground: dog: no_answer – it is empty" in page.locator("#reasons li").all_text_contents()
        shown = {(x, y): pixel(page, 2, x, y) for x, y in ((4, 5), (25, 9), (24, 20), (45, 20))}
        page.uncheck("#show-box")
        assert page.locator(".frame canvas").nth(2).get_attribute("aria-label") == "Frame 2, prediction"
        for place, with_boxes in shown.items():  # names, then lines, of both
            assert pixel(page, 2, *place) != with_boxes, place
        page.check("#show-box")
        show(page, 1)
        assert "box 0.75 dog" in page.locator(".frame figcaption").first.text_content()


def test_run_lengths_are_decoded_as_pycocotools_encodes_them(browser, index):
    rng = np.random.default_rng(0)
    with opened(browser, index) as page:
        for share in (0.0, 0.02, 0.5, 0.98, 1.0):
            mask = rng.random((370, 53)) < share
            mask[50:300, 10:40] ^= True
            got = page.evaluate("([c, n]) => [...decodeMask(c, n)]", [rle.encode(mask).decode(), mask.size])
            np.testing.assert_array_equal(np.reshape(got, (53, 370)).T, mask)


def test_the_sound_plays(browser, index):
    with opened(browser, index) as page:
        page.evaluate("audio.readyState >= 2 || new Promise((resolve) => { audio.oncanplay = resolve; })")
        assert page.evaluate("document.querySelector('#audio').duration") == pytest.approx(10, abs=0.2)
        page.evaluate("document.querySelector('#audio').currentTime = 4.5")
        page.wait_for_selector(".frame.now")
        assert page.get_attribute(".frame.now", "data-index") == "4"
        waves = page.evaluate(
            "(() => { const c = document.querySelector('#wave');"
            " return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0); })()"
        )
        assert waves
        page.click("#wave-area", position={"x": 5, "y": 40})
        page.wait_for_selector(".frame.now[data-index='0']")


def test_html_in_the_data_shows_as_text(browser, index):
    with opened(browser, index, fragment="#row-1") as page:
        assert page.text_content("#reference") == IMAGE_TAG and page.text_content("#uid") == f"seen_{IMAGE_TAG}"
        assert page.text_content("#think") == SCRIPT_TAG and page.text_content("#raw") == SCRIPT_TAG
        assert IMAGE_TAG in page.evaluate(LIST_TEXTS)
        assert page.locator("img").count() == 0 and page.locator("[onerror]").count() == 0


def test_the_policy_stops_a_script_that_gets_into_the_page(browser, index):
    page = browser.new_page()
    page.goto(index.as_uri())
    ready(page)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.broken=1\">')")
    fetched = page.evaluate("fetch('media-00000.js').then(() => 'fetched', () => 'stopped')")
    assert fetched == "stopped" and page.evaluate("window.broken") is None
    page.close()


def test_failures_show_their_reasons(browser, index):
    with opened(browser, index, fragment="#row-2") as page:
        assert page.locator("#tags .bad").text_content() == "think: truncated"
        assert page.locator("#reasons li").all_text_contents() == [
            "think: truncated – cut at 128 tokens",
            "ground: no_answer – the reply has no <answer> (all frames)",
            "score: no_answer – the reply has no <answer>",
        ]
        assert page.text_content("#s_object") == "none"
        show(page, 5)
        assert page.text_content("#s_object") == "null: nothing is referred to"
        assert page.locator("#numbers dd").all_text_contents() == ["0.000"]
        show(page, 7)
        assert (
            page.locator("#reasons li").first.text_content()
            == "manifest: failed – media/gone: holds none of the frames"
        )
        assert page.locator(".frame").count() == 0 and page.is_hidden("#audio")
        show(page, 8)
        assert page.locator(".frame .missing").all_text_contents()[0] == "gt_mask/broken/00002.png: no such file"
        assert (
            "media/broken/3.png: not a readable JPEG or PNG image"
            in page.locator(".frame .missing").all_text_contents()[1]
        )
        assert page.text_content("#silence") == "This video has no sound track."
        show(page, 9)
        assert "segment: failed – out of memory (all frames)" in page.locator("#reasons li").all_text_contents()


def test_filters_and_sorting(browser, index):
    with opened(browser, index) as page:
        page.fill("#search", "BARKS the")
        assert page.evaluate(LIST_TEXTS) == ["What barks the longest?"]
        page.click("#filters [type=reset]")
        page.wait_for_selector("#list li:nth-child(10)")
        page.select_option("#split", "test_n")
        assert page.evaluate(LIST_TEXTS) == ["The cat.", "The piano."]
        page.select_option("#sort", "worst")
        assert page.evaluate(LIST_SCORES) == ["S 0.200", "S 0.000"]
        page.select_option("#split", "")
        assert page.evaluate(LIST_SCORES)[:4] == ["no score", "no score", "0.0", "15.0"]
        page.select_option("#sort", "best")
        assert page.evaluate(LIST_SCORES)[:3] == ["S 0.000", "92.5", "S 0.200"]
        page.select_option("#outcome", "segment: failed")
        assert page.evaluate(LIST_SCORES) == ["no score"]
        page.select_option("#outcome", "")
        page.fill("#low", "10")
        page.fill("#high", "40")
        assert page.evaluate(LIST_SCORES) == ["35.0", "15.0"]
        assert page.text_content("#count") == "2 of 10 shown."
        page.fill("#search", "nothing like this")
        assert page.evaluate(LIST_SCORES) == []


def test_keys_and_buttons_step_through_what_is_shown(browser, index):
    with opened(browser, index) as page:
        assert page.is_disabled("#previous")
        page.select_option("#split", "test_u")
        page.evaluate("document.activeElement.blur()")
        for press, uid in (("ArrowRight", "unseen_dog_3"), ("j", "unseen_dog_4"), ("j", "unseen_dog_4")):
            page.keyboard.press(press)
            ready(page)
            assert page.text_content("#uid") == uid
        page.click("#previous")
        ready(page)
        assert page.text_content("#uid") == "unseen_dog_3" and page.text_content("#position") == "1 of 2"
        assert page.url.endswith("#row-3")
        page.focus("#search")
        page.keyboard.press("j")
        assert page.text_content("#uid") == "unseen_dog_3"


def test_a_lost_shard_is_told(browser, tmp_path):
    index = make(write_example(tmp_path))
    (index.parent / "media-00000.js").unlink()
    page = browser.new_page()
    page.goto(index.as_uri())
    ready(page)
    assert page.text_content("#trouble") == "media-00000.js cannot be loaded: it must lie in the folder of this page."
    page.close()


def test_many_samples_load_only_the_shards_of_the_open_one(browser, tmp_path):
    index = make(write_many(tmp_path, num_videos=20, references_per_video=6))
    with opened(browser, index) as page:
        assert page.locator("#list li").count() == 120
        loaded = "[...arrived.keys()].sort()"
        assert page.evaluate(loaded) == ["media-00000", "samples-00000"]
        page.select_option("#sort", "worst")
        page.click("#list li:first-child button")
        ready(page)
        assert page.evaluate(loaded) == ["media-00000", "media-00002", "samples-00000", "samples-00002"]
        assert page.text_content("#uid") == "video0019_dog_119"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_needs_no_sideways_scrolling(browser, index, scheme):
    with opened(browser, index, viewport={"width": 360, "height": 700}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
