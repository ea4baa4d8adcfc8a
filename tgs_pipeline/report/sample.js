"use strict";
// One opened sample: its text, frames and sound. All text is shown with textContent.

let opened = null; // what is drawn: {video, answer, images}

const $ = (id) => document.getElementById(id);
const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1));
const because = (reason) => (reason ? ` – ${reason}` : "");

// The thinker may rightly say that nothing is referred to.
const isGood = (outcome) => outcome === "ok" || outcome === "ground: no_caption";

// Rules that say more than the reason of a frame without a box does.
const isNotable = (rule) => rule === "f_object_decides" || rule === "undecided" || /^(fallback_|pivot_|default_)/.test(rule);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// Text

// What index.html knows, shown at once; the rest follows when its shards are there.
function showLine(line) {
  opened = null;
  $("detail").hidden = false;
  $("trouble").hidden = true;
  $("reference").textContent = line.reference;
  $("uid").textContent = line.uid;
  const tags = [element("span", "chip", line.split)];
  if (line.is_null) tags.push(element("span", "chip", "null: the object is not in the clip"));
  tags.push(element("span", isGood(line.outcome) ? "chip" : "chip bad", line.outcome));
  $("tags").replaceChildren(...tags);
  const numbers = line.is_null
    ? [["S", line.S === null ? "–" : line.S.toFixed(3)]]
    : [["J&F", percent(line.JF)], ["J", percent(line.J)], ["F", percent(line.F)]];
  $("numbers").replaceChildren(...numbers.map(([name, value]) => {
    const pair = element("div");
    pair.append(element("dt", "", name), element("dd", "", value));
    return pair;
  }));
  for (const id of ["reasons", "frames", "legend"]) $(id).replaceChildren();
  for (const id of ["think", "f_object", "s_object", "raw", "tokens"]) $(id).textContent = "";
  for (const id of ["audio", "wave-area", "silence"]) $(id).hidden = true;
  $("audio").removeAttribute("src");
  $("audio").load();
}

function showAnswer(answer) {
  const answered = answer.stages.some(([stage, status]) => stage === "think" && status === "ok");
  const absent = { think: "none", f_object: "none", s_object: answered ? "null: nothing is referred to" : "none", raw: "none" };
  for (const [id, text] of Object.entries(absent)) {
    $(id).textContent = answer[id] ?? text;
    $(id).classList.toggle("absent", answer[id] === null);
  }
  $("tokens").textContent = answer.num_tokens ? `${answer.num_tokens} tokens` : "";
  $("reasons").replaceChildren(...reasons(answer).map((text) =>
    element("li", text.startsWith("ground: no_caption") || text.startsWith("rule: ") ? "calm" : "", text)));
}

// One line for each thing that is not ok, in the order of the stages, with the frames that it concerns.
function reasons(answer) {
  const ofStages = (names) => answer.stages.filter(([stage, status]) => names.includes(stage) && status !== "ok")
    .map(([stage, status, reason]) => `${stage}: ${status}${because(reason)}`);
  const framesOf = new Map();
  for (const { index, box, mask, truth } of answer.frames) {
    const found = [];
    if (box && isNotable(box.rule)) found.push(`rule: ${box.rule}`);
    if (box && box.status !== "ok") found.push(`ground: ${box.status}${because(box.reason)}`);
    // A mask without a box carries the status of the box, which stands there already.
    if (mask && mask.status !== "ok" && mask.status !== box?.status) {
      found.push(`segment: ${mask.status}${because(mask.reason)}`);
    }
    if (truth.reason) found.push(`ground truth: ${truth.reason}`);
    for (const text of found) framesOf.set(text, [...(framesOf.get(text) ?? []), index]);
  }
  const ofFrames = [...framesOf].map(([text, frames]) =>
    `${text} (${frames.length === answer.frames.length ? "all frames" : `frame ${frames.join(", ")}`})`);
  const unfound = answer.unfound.map(([name, status, reason]) => `ground: ${name}: ${status}${because(reason)}`);
  return [...ofStages(["manifest", "think"]), ...new Set(unfound), ...ofFrames, ...ofStages(["score"])];
}

// Frames

const VIEWS = {
  pair: { canvases: ["prediction", "ground truth"], legend: [["mask", "prediction (above)"], ["truth", "ground truth (below)"]] },
  mask: { canvases: ["prediction"], legend: [["mask", "prediction"]] },
  truth: { canvases: ["ground truth"], legend: [["truth", "ground truth"]] },
  errors: { canvases: ["errors"], legend: [["hit", "right"], ["mask", "predicted only"], ["truth", "missed"]] },
};

function showFrames() {
  if (!opened) return;
  const view = VIEWS[document.querySelector("input[name=view]:checked").value];
  $("frames").replaceChildren(...opened.answer.frames.map((frame) => figureOf(frame, view)));
  if (!opened.answer.frames.length) $("frames").append(element("p", "muted", "No frame of this sample can be read."));
  $("legend").replaceChildren(...view.legend.map(([name, text]) => element("span", `key ${name}`, text)));
  follow();
}

function figureOf(frame, view) {
  const figure = element("figure", "frame");
  figure.dataset.index = frame.index;
  const picture = opened.images.get(frame.index);
  if (picture?.image) figure.append(...view.canvases.map((name) => layerOf(frame, picture.image, name)));
  else figure.append(element("div", "missing", picture?.reason ?? "frame missing"));
  figure.append(element("figcaption", "", caption(frame)));
  return figure;
}

function layerOf(frame, image, name) {
  const [predicted, truth] = [name !== "ground truth", name !== "prediction"];
  if (truth && frame.truth.rle === null) return element("div", "missing", frame.truth.reason);
  const boxes = predicted && $("show-box").checked ? frame.boxes : [];
  const named = boxes.filter((box) => box.name !== null).map((box) => box.name);
  return overlay(image, {
    predicted: predicted ? frame.mask?.rle ?? null : null,
    truth: truth ? frame.truth.rle : null,
    boxes,
    size: opened.answer.size,
    label: [`Frame ${frame.index}, ${name}`, ...named].join(", "),
  });
}

function caption({ index, box, boxes, mask }) {
  const { duration_sec: duration, num_frames: count } = opened.video;
  const parts = [duration ? `frame ${index} · ${((index * duration) / count).toFixed(1)} s` : `frame ${index}`];
  for (const { name, score, phrase } of boxes) {
    parts.push([name === null ? "box" : `${name}:`, score?.toFixed(2), phrase].filter(Boolean).join(" "));
  }
  if (box && !box.xyxy) parts.push(box.status);
  if (mask?.status === "failed") parts.push("segment failed");
  else if (mask && mask.predicted_iou !== null) parts.push(`predicted IoU ${mask.predicted_iou.toFixed(2)}`);
  return parts.join(" · ");
}

// Sound

function showSound(video) {
  const silent = video.mp3 === null;
  for (const id of ["audio", "wave-area"]) $(id).hidden = silent;
  $("silence").hidden = !silent;
  $("silence").textContent = video.reason ?? "";
  if (silent) return;
  $("audio").src = `data:audio/mpeg;base64,${video.mp3}`;
  drawWave();
}

function drawWave() {
  const canvas = $("wave");
  if (!opened?.video.peaks || !canvas.clientWidth) return;
  const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const peaks = Int8Array.from(atob(opened.video.peaks), (char) => char.charCodeAt(0));
  const [top, middle, scale] = [16, (height + 16) / 2, (height - 20) / 254];
  context.font = "11px sans-serif";
  for (let i = 0; i < opened.video.num_frames; i++) {
    const x = (i / opened.video.num_frames) * width;
    context.fillStyle = colour("--line");
    if (i) context.fillRect(x, 0, 1, height);
    context.fillStyle = colour("--muted");
    context.fillText(String(i), x + 4, top - 4);
  }
  context.fillStyle = colour("--accent");
  const step = (2 * width) / peaks.length;
  for (let i = 0; i < peaks.length; i += 2) {
    const [low, high] = [peaks[i] * scale, peaks[i + 1] * scale];
    context.fillRect((i / 2) * step, middle - high, Math.max(0.5, step - 0.5), Math.max(1, high - low));
  }
}

// Mark the frame that belongs to what is heard.
function follow() {
  const [audio, video] = [$("audio"), opened?.video];
  const playing = Boolean(video?.duration_sec) && (audio.currentTime > 0 || !audio.paused);
  const part = playing ? Math.min(audio.currentTime / video.duration_sec, 1) : 0;
  $("playhead").hidden = !playing;
  $("playhead").style.left = `${100 * part}%`;
  const now = playing ? Math.min(Math.floor(part * video.num_frames), video.num_frames - 1) : -1;
  for (const figure of $("frames").children) figure.classList.toggle("now", Number(figure.dataset.index) === now);
}
