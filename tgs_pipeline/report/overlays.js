"use strict";
// Masks and boxes drawn over a frame. No state: run lengths and an image in, a canvas out.

const LABELS = [null, [255, 149, 0], [42, 167, 255], [0, 192, 139]]; // 1 predicted, 2 true, 3 both; as in page.css
const FILL_ALPHA = 115;

// COCO compressed counts -> bytes of 0 and 1, column by column as COCO stores them.
function decodeMask(counts, length) {
  const runs = [];
  for (let at = 0; at < counts.length;) {
    let [value, shift, code] = [0, 0, 0];
    do {
      code = counts.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16 && shift < 32) value |= -1 << shift; // negative differences are sign-extended
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  const mask = new Uint8Array(length);
  let start = 0;
  runs.forEach((run, i) => {
    if (i % 2) mask.fill(1, start, start + run);
    start += run;
  });
  return mask;
}

// Labels of each pixel, column by column: 1 where predicted, 2 where true, 3 where both. Absent run lengths count as empty.
function labelsOf(predicted, truth, length) {
  const labels = predicted === null ? new Uint8Array(length) : decodeMask(predicted, length);
  if (truth !== null) decodeMask(truth, length).forEach((set, at) => { labels[at] |= set << 1; });
  return labels;
}

// Each label as a translucent fill with an opaque contour.
function paintLabels(context, labels, [height, width]) {
  const pixels = new ImageData(width, height);
  for (let x = 0, at = 0; x < width; x++) {
    for (let y = 0; y < height; y++, at++) {
      const label = labels[at];
      if (!label) continue;
      const inner = y > 0 && x > 0 && y < height - 1 && x < width - 1 && labels[at - 1] === label
        && labels[at + 1] === label && labels[at - height] === label && labels[at + height] === label;
      pixels.data.set(LABELS[label], 4 * (y * width + x));
      pixels.data[4 * (y * width + x) + 3] = inner ? FILL_ALPHA : 255;
    }
  }
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d").putImageData(pixels, 0, 0);
  context.drawImage(layer, 0, 0);
}

function paintBox(context, [x0, y0, x1, y1], [height, width]) {
  for (const [colour, thickness] of [["#000000", 3.5], ["#ffffff", 1.5]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height);
  }
}

// The name of an object at the upper left corner of its box, moved down while it would cover another one of `taken`.
function paintName(context, name, [x0, y0], [height, width], taken) {
  const high = Math.max(10, Math.round(height / 11));
  context.font = `${high - 2}px sans-serif`;
  const wide = Math.min(context.measureText(name).width + 6, width);
  const left = Math.max(0, Math.min(x0 * width, width - wide));
  let top = Math.max(0, Math.min(y0 * height, height - high));
  const covers = (other) => left < other.left + other.wide && other.left < left + wide
    && top < other.top + high && other.top < top + high;
  for (let other; (other = taken.find(covers)) && other.top + 2 * high <= height;) top = other.top + high;
  taken.push({ left, top, wide });
  context.fillStyle = "#000000";
  context.fillRect(left, top, wide, high);
  context.fillStyle = "#ffffff";
  context.textBaseline = "middle";
  context.fillText(name, left + 3, top + high / 2, wide - 6);
}

// predicted, truth: run lengths or null; boxes: {name, xyxy}, x0 y0 x1 y1 relative to the frame, the name null where
// there is nothing to tell apart; size: [height, width].
function overlay(image, { predicted, truth, boxes, size, label }) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  [canvas.height, canvas.width] = size;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  paintLabels(context, labelsOf(predicted, truth, canvas.width * canvas.height), size);
  const taken = [];
  for (const { xyxy } of boxes) paintBox(context, xyxy, size);
  for (const { name, xyxy } of boxes) if (name !== null) paintName(context, name, xyxy, size, taken);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}
