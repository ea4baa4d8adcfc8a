"use strict";
// The list of samples, its filters, and the loading of shards. index.html holds one line of each sample; chains and
// masks (samples-*.js) and frames and sound (media-*.js) are scripts beside it, loaded when a sample is opened.

const data = JSON.parse($("data").textContent);
const lines = data.samples.uid.map((_, i) =>
  Object.fromEntries(Object.entries(data.samples).map(([name, column]) => [name, column[i]])));
let shown = []; // numbers of the lines that pass the filters, in their order
let current = -1;

// Shards

const loading = new Map();
const arrived = new Map();
window.tgsShard = (name, entries) => arrived.set(name, entries);

function loadShard(name) {
  if (!loading.has(name)) {
    loading.set(name, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const fail = () => {
        loading.delete(name);
        reject(new Error(`${name}.js cannot be loaded: it must lie in the folder of this page.`));
      };
      script.onload = () => (arrived.has(name) ? resolve(arrived.get(name)) : fail());
      script.onerror = fail;
      script.src = `${name}.js`;
      document.head.append(script);
    }));
  }
  return loading.get(name);
}

async function loadEntry(kind, number, size) {
  const entries = await loadShard(`${kind}-${String(Math.floor(number / size)).padStart(5, "0")}`);
  return entries[number % size];
}

// List and filters

// One number for sorting and filtering: J&F, or 100 - 100 S for null samples, or null without a score.
function quality({ JF, S }) {
  if (JF !== null) return 100 * JF;
  return S === null ? null : 100 - 100 * S;
}

function scoreText({ JF, S }) {
  if (JF !== null) return percent(JF);
  return S === null ? "no score" : `S ${S.toFixed(3)}`;
}

const items = lines.map((line, i) => {
  const button = element("button");
  button.type = "button";
  const about = element("span", "about", `${line.split} · ${line.uid}`);
  if (line.outcome !== "ok") about.prepend(element("span", isGood(line.outcome) ? "" : "bad", line.outcome), " · ");
  button.append(element("span", "reference", line.reference), element("span", "score", scoreText(line)), about);
  button.addEventListener("click", () => openSample(i));
  const item = element("li");
  item.append(button);
  return item;
});
const haystacks = lines.map(({ uid, reference, s_object }) => `${uid}\n${reference}\n${s_object ?? ""}`.toLowerCase());

function filter() {
  const number = (id) => ($(id).value === "" ? null : Number($(id).value));
  const [text, split, outcome] = [$("search").value.toLowerCase().trim(), $("split").value, $("outcome").value];
  const [low, high] = [number("low"), number("high")];
  const inRange = (score) =>
    (low === null || (score !== null && score >= low)) && (high === null || (score !== null && score <= high));
  shown = [...lines.keys()].filter((i) =>
    haystacks[i].includes(text) && (!split || lines[i].split === split) && (!outcome || lines[i].outcome === outcome)
    && inRange(quality(lines[i])));
  const direction = { worst: 1, best: -1 }[$("sort").value];
  const rank = (i) => quality(lines[i]) ?? -1; // without a score: worst
  if (direction) shown.sort((a, b) => direction * (rank(a) - rank(b)) || a - b);
  $("list").replaceChildren(...shown.map((i) => items[i]));
  $("count").textContent = `${shown.length} of ${lines.length} shown.`;
  $("list").scrollTop = 0;
  mark();
}

// Show which line is open, and keep it in sight.
function mark() {
  $("list").querySelector("[aria-current]")?.removeAttribute("aria-current");
  const place = shown.indexOf(current);
  $("position").textContent = place < 0 ? "" : `${place + 1} of ${shown.length}`;
  $("previous").disabled = place <= 0;
  $("next").disabled = place === shown.length - 1;
  if (place < 0) return;
  const [list, item] = [$("list"), items[current]];
  item.firstChild.setAttribute("aria-current", "true");
  const [above, below] = [item.offsetTop, item.offsetTop + item.offsetHeight - list.clientHeight];
  list.scrollTop = Math.min(above, Math.max(below, list.scrollTop));
}

function step(by) {
  const place = shown.indexOf(current);
  const next = place < 0 ? shown[0] : shown[place + by];
  if (next !== undefined) openSample(next);
}

function fillOptions(select, values) {
  for (const value of [...new Set(values)].sort()) select.append(new Option(value, value));
}

// Opening a sample

async function openSample(i) {
  if (i === current) return;
  current = i;
  showLine(lines[i]);
  mark();
  history.replaceState(null, "", `#row-${lines[i].row}`);
  $("detail").dataset.row = lines[i].row;
  $("detail").setAttribute("aria-busy", "true");
  try {
    const [answer, video] = await Promise.all([
      loadEntry("samples", i, data.samples_per_shard),
      loadEntry("media", lines[i].video, data.videos_per_shard),
    ]);
    const images = new Map(await Promise.all(video.frames.map(decodePicture)));
    if (i !== current) return; // another sample was opened meanwhile
    opened = { video, answer, images };
    showAnswer(answer);
    showSound(video);
    showFrames();
  } catch (error) {
    if (i !== current) return;
    current = -1; // a second click tries again
    $("trouble").textContent = error.message;
    $("trouble").hidden = false;
  }
  $("detail").setAttribute("aria-busy", "false");
}

async function decodePicture({ index, jpeg, reason }) {
  if (jpeg === null) return [index, { reason }];
  const image = new Image();
  image.src = `data:image/jpeg;base64,${jpeg}`;
  await image.decode();
  return [index, { image }];
}

function openFromAddress() {
  const row = Number(/^#row-(\d+)$/.exec(location.hash)?.[1] ?? -1);
  const i = lines.findIndex((line) => line.row === row);
  if (i >= 0) openSample(i);
  return i >= 0;
}

// Events

$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("input", filter);
$("filters").addEventListener("reset", () => setTimeout(filter)); // after the fields are empty
$("views").addEventListener("change", showFrames);
$("show-box").addEventListener("change", showFrames);
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
for (const name of ["timeupdate", "seeked", "play", "emptied"]) $("audio").addEventListener(name, follow);
$("wave-area").addEventListener("click", (event) => {
  const area = $("wave-area").getBoundingClientRect();
  $("audio").currentTime = ((event.clientX - area.left) / area.width) * opened.video.duration_sec;
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, audio, .scroll")) return;
  const by = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(by);
});
new ResizeObserver(drawWave).observe($("wave-area"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawWave);
window.addEventListener("hashchange", openFromAddress);

fillOptions($("split"), lines.map((line) => line.split));
fillOptions($("outcome"), lines.map((line) => line.outcome));
filter();
if (!openFromAddress() && shown.length) openSample(shown[0]);
