// needs: network simulator batches inpainting
// Paint a hole: a digit whose pixels are hidden by the reader, and what the model draws in their place.

const SEED = 1;
const FULL = { chains: 32, steps: 30, moves: 3 };
const PREVIEW = { chains: 16, steps: 8, moves: 2 }; // while the pointer is down: painting has to stay smooth
const SHOWN = 6; // single draws
const MOST = 0.4; // standard deviation with the darkest blue

const STYLE = `
.vq-hole { container-type: inline-size; font-variant-numeric: tabular-nums; }
.vq-hole fieldset { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; }
.vq-hole legend { padding-bottom: .3rem; }
.vq-hole fieldset label { position: relative; width: 2.5rem; margin: 0; cursor: pointer; }
.vq-hole fieldset input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: pointer; }
.vq-hole input:checked + canvas { outline: 3px solid currentColor; }
.vq-hole input:focus-visible + canvas { outline: 3px solid #2f86b8; outline-offset: 2px; }
.vq-hole canvas { display: block; width: 100%; aspect-ratio: var(--vq-aspect); image-rendering: pixelated;
  outline: 1px solid var(--vq-line); }
.vq-hole { --vq-line: color-mix(in srgb, currentColor 45%, transparent); }
.vq-hole .vq-picture { position: relative; }
.vq-hole .vq-picture svg { position: absolute; inset: 0; height: 100%; pointer-events: none; }
.vq-hole .vq-picture path, .vq-hole .vq-picture rect { fill: none; vector-effect: non-scaling-stroke; }
.vq-hole .vq-main { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .9rem 1.4rem;
  margin-top: 1rem; }
.vq-hole .vq-paint canvas { touch-action: none; cursor: crosshair; }
.vq-hole .vq-cursor { visibility: hidden; }
.vq-hole .vq-paint canvas:focus-visible + svg .vq-cursor { visibility: visible; }
.vq-hole .vq-buttons { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: .6rem; }
.vq-hole .vq-scale { display: flex; align-items: center; gap: .5rem; }
.vq-hole .vq-scale span { flex: 1; height: .7rem; outline: 1px solid var(--vq-line);
  background: linear-gradient(to right, #ffffff, ${COLOURS.blue[0]}); }
.vq-hole .vq-row { display: grid; grid-template-columns: repeat(${SHOWN}, minmax(0, 1fr)); gap: .4rem .8rem;
  margin-top: .4rem; }
.vq-hole .vq-row > div { min-width: 0; }
.vq-hole [hidden] { display: none; }
.vq-hole .vq-draws { margin-top: 1rem; }
.vq-hole label input[type=checkbox] { margin-right: .4rem; }
.vq-hole .vq-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.vq-hole .vq-row[hidden] { display: none; }
/* In a narrow place the hole is painted over the whole width, the pictures stand below. */
@container (max-width: 560px) {
  .vq-hole .vq-main { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .9rem 1rem; }
  .vq-hole .vq-paint { grid-column: 1 / 3; max-width: 20rem; }
  .vq-hole .vq-row { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .6rem .8rem; }
  .vq-hole .vq-row.vq-pair { grid-template-columns: repeat(2, minmax(0, 7rem)); }
}
`;

/** The border around pixels of a grid, as the path of an SVG with a unit for each pixel. */
export function outline(hidden, [height, width]) {
  const inside = new Set(hidden);
  const has = (row, column) =>
    row >= 0 && row < height && column >= 0 && column < width && inside.has(row * width + column);
  return hidden.map((pixel) => {
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    return [
      has(row - 1, column) ? "" : `M${column} ${row}h1`,
      has(row + 1, column) ? "" : `M${column} ${row + 1}h1`,
      has(row, column - 1) ? "" : `M${column} ${row}v1`,
      has(row, column + 1) ? "" : `M${column + 1} ${row}v1`,
    ].join("");
  }).join("");
}

/** The pixels on the straight line between two, each as [row, column]. */
export function between([row, column], [toRow, toColumn]) {
  const steps = Math.max(Math.abs(toRow - row), Math.abs(toColumn - column), 1);
  return Array.from({ length: steps + 1 }, (_, i) =>
    [[row, toRow], [column, toColumn]].map(([from, to]) => Math.round(from + ((to - from) * i) / steps)));
}

const rmse = (values, truth) =>
  Math.sqrt(values.reduce((sum, value, i) => sum + (value - truth[i]) ** 2, 0) / values.length);

function render({ model, el }) {
  const words = model.get("words");
  const size = model.get("image_shape");
  const [height, width] = size;
  const D = height * width;
  const parts = ["encoder", "decoder", "circuit", "angles", "feature_scale", "likelihood"];
  const network = unpackModel(Object.fromEntries(parts.map((name) => [name, model.get(name)])));
  const start = float16(model.get("mean_image"));
  const pixels = float16(model.get("images"));
  const images = model.get("labels").map((_, i) => pixels.subarray(i * D, (i + 1) * D));

  const box = (name, ...children) => element("div", { class: name }, ...children);
  const newCanvas = (attributes) => element("canvas", { width, height, ...attributes });

  /** An image with a drawing over it, and a caption below. */
  function picture(text, attributes = { role: "img", "aria-label": text }, caption = text) {
    const canvas = newCanvas(attributes);
    const over = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
      "aria-hidden": true });
    const whole = box("", box("vq-picture", canvas, over), ...(caption ? [element("p", {}, caption)] : []));
    return { canvas, over, whole };
  }

  const digits = radios(images.map((_, i) => [i, ""]), (i) => change("chosen", i));
  digits.forEach(({ input, label }, i) => {
    const said = fill(words.image, { number: i + 1, label: model.get("labels")[i] });
    input.setAttribute("aria-label", said);
    label.replaceChildren(input, newCanvas({ "aria-hidden": true }));
  });
  const painted = picture(words.canvas, { tabindex: 0, role: "application", "aria-label": words.canvas },
    words.hint);
  const filled = picture(words.filled);
  const deviation = picture(words.deviation);
  const draws = Array.from({ length: SHOWN }, (_, i) =>
    picture(fill(words.draw, { number: i + 1 }), undefined, ""));
  const truth = picture(words.truth);
  const baseline = picture(words.mean);
  const spoken = element("p", { class: "vq-spoken", "aria-live": "polite" });
  const readout = element("p", { class: "vq-readout", "aria-live": "polite" });
  const error = element("p", { class: "vq-error", "aria-live": "polite" });
  const pair = box("vq-row vq-pair", truth.whole, baseline.whole);
  const toggle = element("input", { type: "checkbox" });
  toggle.addEventListener("change", () => change("truth", toggle.checked));

  const holes = {
    left: (row, column) => column < width / 2,
    middle: (row, column) => 4 * row >= height && 4 * row < 3 * height
      && 4 * column >= width && 4 * column < 3 * width,
    lower: (row) => row >= height / 2,
    clear: () => false,
  };
  const texts = { left: words.left, middle: words.middle, lower: words.lower, clear: words.clear };
  const buttons = Object.entries(holes).map(([name, isHidden]) => button(texts[name], () =>
    hide(Array.from({ length: D }, (_, i) => isHidden(Math.floor(i / width), i % width)))));

  const root = frame("vq-hole", model.get("alt"),
    element("fieldset", {}, element("legend", {}, words.digit), ...digits.map(({ label }) => label)),
    box("vq-main", painted.whole, filled.whole, deviation.whole),
    box("vq-draws", element("p", {}, words.draws), box("vq-row", ...draws.map(({ whole }) => whole))),
    readout, element("label", {}, toggle, words.show), pair, error, spoken);
  root.style.setProperty("--vq-aspect", `${width} / ${height}`);
  painted.whole.className = "vq-paint";
  painted.whole.append(box("vq-buttons", ...buttons));
  deviation.whole.append(element("p", { class: "vq-scale" }, "0", element("span"), fixed(MOST, 1)));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  function change(name, value) {
    model.set(name, value);
    model.save_changes();
  }

  /** Hide just the pixels that are true. */
  function hide(mask) {
    change("hidden", Array.from({ length: D }, (_, i) => i).filter((i) => mask[i]));
  }

  const current = () => images[model.get("chosen")];
  const lines = Array.from({ length: width - 1 }, (_, i) => `M${i + 1} 0v${height}`)
    .concat(Array.from({ length: height - 1 }, (_, i) => `M0 ${i + 1}h${width}`)).join("");
  const stroke = (d, colour, wide) => shape("path", { d, stroke: colour, "stroke-width": wide });
  const cursor = { row: 0, column: 0 };

  function border(over, ...below) {
    const d = outline(model.get("hidden"), size);
    over.replaceChildren(...below, stroke(d, "#ffffff", 5), stroke(d, COLOURS.orange[0], 2.5));
  }

  /** What depends on the hole alone: it follows at once. */
  function drawHole() {
    const hidden = model.get("hidden");
    const cover = (canvas, image) => {
      const context = canvas.getContext("2d");
      paint(context, image, width);
      context.fillStyle = COLOURS.sky[1];
      for (const pixel of hidden) context.fillRect(pixel % width, Math.floor(pixel / width), 1, 1);
    };
    digits.forEach(({ input, label }, i) => {
      cover(label.querySelector("canvas"), images[i]);
      input.checked = i === model.get("chosen");
    });
    cover(painted.canvas, current());
    border(painted.over, stroke(lines, COLOURS.grey[0], 0.7));
    const { row: y, column: x } = cursor;
    const square = (colour, wide) =>
      shape("rect", { class: "vq-cursor", x, y, width: 1, height: 1, stroke: colour, "stroke-width": wide });
    painted.over.append(square("#ffffff", 7), square(COLOURS.purple[0], 3.5));
  }

  /** The image with other values in the hole. */
  function withFill(values) {
    const image = Float64Array.from(current());
    model.get("hidden").forEach((pixel, i) => (image[pixel] = values[i]));
    return image;
  }

  function show({ canvas, over }, image) {
    paint(canvas.getContext("2d"), image, width);
    border(over);
  }

  /** Standard deviations, white to blue; around the hole the image, faint. */
  function showDeviation(values) {
    const blue = [1, 3, 5].map((i) => parseInt(COLOURS.blue[0].slice(i, i + 2), 16));
    const context = deviation.canvas.getContext("2d");
    paint(context, current().map((value) => 0.25 * value), width);
    model.get("hidden").forEach((pixel, i) => {
      const part = clip(values[i] / MOST, 0, 1);
      const [r, g, b] = blue.map((value) => Math.round(255 + part * (value - 255)));
      context.fillStyle = `rgb(${r} ${g} ${b})`;
      context.fillRect(pixel % width, Math.floor(pixel / width), 1, 1);
    });
    border(deviation.over);
  }

  function drawFill(effort) {
    const hidden = model.get("hidden");
    const found = fillHole(network, current(), hidden, start, makeNoise(SEED), effort);
    show(filled, withFill(found.average));
    showDeviation(found.deviation);
    draws.forEach((draw, i) => show(draw, withFill(found.draws[i])));
    drawTruth(found.average);
    if (effort === FULL) say(readout, sayHow(hidden, found));
    root.dataset.steps = effort.steps;
  }

  function drawTruth(average) {
    const hidden = model.get("hidden");
    const shown = Boolean(model.get("truth"));
    toggle.checked = shown;
    pair.hidden = error.hidden = !shown;
    if (!shown) return;
    const [here, means] = [current(), start].map((image) => hidden.map((pixel) => image[pixel]));
    show(truth, current());
    show(baseline, withFill(means));
    const said = { count: hidden.length, fill: fixed(rmse(average, here), 3), mean: fixed(rmse(means, here), 3) };
    say(error, hidden.length ? fill(words.error, said) : "");
  }

  function sayHow(hidden, { accepted, moved }) {
    if (!hidden.length) return words.nothing;
    const percent = (part) => fixed(100 * part, part < 0.1 ? 1 : 0);
    const said = { ...FULL, seen: D - hidden.length, accepted: percent(accepted), moved: percent(moved),
      proposals: FULL.chains * FULL.steps, count: FULL.chains * FULL.steps * FULL.moves };
    return `${fill(words.how, said)} ${fill(words.accepted, said)}`;
  }

  /** Not read out while nothing changes. */
  function say(place, said) {
    if (place.textContent !== said) place.textContent = said;
  }

  let [frameAsked, last] = [0]; // `last`: the pixel that the pointer was on, while it is down
  function later() {
    frameAsked ||= requestAnimationFrame(() => {
      frameAsked = 0;
      drawFill(last ? PREVIEW : FULL);
    });
  }
  function draw() {
    drawHole();
    later();
  }

  function pixelAt(event) {
    const place = painted.canvas.getBoundingClientRect();
    const row = Math.floor((height * (event.clientY - place.top)) / place.height);
    const column = Math.floor((width * (event.clientX - place.left)) / place.width);
    return [clip(row, 0, height - 1), clip(column, 0, width - 1)];
  }
  let covers; // whether the pointer hides pixels or shows them again
  function paintTo(pixel) {
    const mask = Array(D).fill(false);
    for (const i of model.get("hidden")) mask[i] = true;
    covers ??= !mask[pixel[0] * width + pixel[1]];
    for (const [row, column] of between(last ?? pixel, pixel)) mask[row * width + column] = covers;
    last = pixel;
    hide(mask);
  }
  painted.canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    painted.canvas.setPointerCapture(event.pointerId);
    covers = undefined;
    paintTo(pixelAt(event));
  });
  painted.canvas.addEventListener("pointermove", (event) => {
    const pixel = pixelAt(event);
    if (last && pixel.join() !== last.join()) paintTo(pixel);
  });
  painted.canvas.addEventListener("lostpointercapture", () => {
    last = undefined;
    later();
  });

  painted.canvas.addEventListener("keydown", (event) => {
    const direction = arrow(event);
    if (direction) {
      cursor.column = clip(cursor.column + direction[0], 0, width - 1);
      cursor.row = clip(cursor.row - direction[1], 0, height - 1);
      drawHole();
    } else if (event.key === " ") {
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would scroll
      covers = undefined;
      paintTo([cursor.row, cursor.column]);
      last = undefined;
    } else return;
    const isHidden = model.get("hidden").includes(cursor.row * width + cursor.column);
    const text = isHidden ? words.hidden : words.seen;
    say(spoken, fill(text, { row: cursor.row + 1, column: cursor.column + 1 }));
  });

  for (const name of ["chosen", "hidden", "truth"]) model.on(`change:${name}`, draw);
  drawHole();
  drawFill(FULL);
  return () => {
    cancelAnimationFrame(frameAsked);
    for (const name of ["chosen", "hidden", "truth"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
