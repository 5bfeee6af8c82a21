// Compression: images are states of n qubits, and k of them are kept. The best circuit keeps the 2^k
// eigenvectors of the data's mean state that have the largest eigenvalues; what an image has outside
// of them is lost. Eigenvalues and eigenvectors come from Python, the rest is computed here.

/** Rows of `length` numbers, out of float16 bytes in base64. */
export function unpack(base64, length) {
  const numbers = float16(base64);
  return Array.from({ length: numbers.length / length }, (_, row) =>
    numbers.subarray(row * length, (row + 1) * length));
}

/** What is left of x on the first `count` eigenvectors. */
export function project(eigenvectors, x, count) {
  const left = new Float64Array(x.length);
  for (const vector of eigenvectors.slice(0, count)) {
    const share = vector.reduce((sum, value, i) => sum + value * x[i], 0);
    vector.forEach((value, i) => (left[i] += share * value));
  }
  return left;
}

/** The highest mean probability that any circuit has when it keeps `count` dimensions. */
export function bound(eigenvalues, count) {
  return eigenvalues.slice(0, count).reduce((sum, value) => sum + value, 0);
}

const squaredLength = (x) => x.reduce((sum, value) => sum + value ** 2, 0);

/** Heights, sorted downwards, moved until `room` is between them and none lies below `bottom`. */
function spread(heights, room, bottom) {
  const placed = [];
  for (const height of heights) placed.push(Math.max(height, (placed.at(-1) ?? -Infinity) + room));
  for (let i = placed.length - 1; i >= 0; i--) {
    placed[i] = Math.min(placed[i], (placed[i + 1] ?? bottom + room) - room);
  }
  return placed;
}

const tenTo = (power) => `10${String(power).replace(/./g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)])}`;

const FLOOR = -6; // power of ten below which an eigenvalue has no bar
const IMAGE = [50, 84]; // an image with its gap: at least and at most so wide on the screen

const STYLE = `
.vq-compression { display: flex; flex-wrap: wrap; gap: .9rem 1.8rem; font-variant-numeric: tabular-nums; }
.vq-compression > div { flex: 1 1 100%; min-width: 0; }
.vq-compression .vq-choice label { margin-top: 0; }
.vq-compression > .vq-bound { flex: 1 1 240px; }
.vq-compression > .vq-bars { flex: 1.4 1 280px; }
.vq-compression p:first-child { margin-top: 0; }
.vq-compression .vq-readouts { display: grid; }
.vq-compression .vq-readouts p { grid-area: 1 / 1; margin: .5rem 0 0; }
.vq-compression .vq-readouts [aria-hidden] { visibility: hidden; }
.vq-compression .vq-images { display: grid; gap: .7rem 10px; margin-top: .6rem; }
.vq-compression canvas { display: block; width: 100%; image-rendering: pixelated; }
.vq-compression canvas + canvas { margin-top: 6px; }
.vq-compression .vq-images p { margin: .15rem 0 0; text-align: center; }
.vq-compression .vq-part { display: flex; gap: .5rem; align-items: center; margin: .15rem 0; }
.vq-compression .vq-part svg { width: 16px; flex: none; }
.vq-compression .vq-tiny { margin: .15rem 0 0 calc(16px + .5rem); }
.vq-compression .vq-trained { fill: var(--vq-paper, var(--jp-layout-color0, Canvas)); }
`;

/** The marks of the two plots; their keys show the same. */
const MARKS = {
  bound: (cx, cy, colour) => shape("circle", { cx, cy, r: 3.5, fill: colour("blue") }),
  trained: (x, y, colour) => shape("path", { d: `M${x} ${y - 5}l5 5l-5 5l-5 -5z`, class: "vq-trained",
    stroke: colour("orange"), "stroke-width": 2 }),
  kept: (x, y, width, height, colour) => shape("rect", { x, y, width, height, class: "vq-kept",
    fill: colour("blue") }),
  lost: (x, y, width, height, colour) => shape("rect", { x: x + 0.5, y: y + 0.5, class: "vq-lost",
    width: width - 1, height: Math.max(0, height - 0.5), fill: "none", stroke: colour("grey") }),
};

function render({ model, el }) {
  const words = model.get("words");
  const [eigenvalues, trained] = [model.get("eigenvalues"), model.get("trained")];
  const [height, width] = model.get("image_shape");
  const dimensions = eigenvalues.length;
  const n = Math.log2(dimensions);
  const eigenvectors = unpack(model.get("eigenvectors"), dimensions);
  const bounds = Array.from({ length: n + 1 }, (_, kept) => bound(eigenvalues, 2 ** kept));
  const trainedAt = (kept) => trained.filter((point) => point[0] === kept);

  const choice = slider(words.slider, 0, n, 1);
  const readout = element("p", { "aria-live": "polite" });
  // The other texts keep the place of the longest: nothing below moves.
  const others = bounds.map((_, kept) => element("p", { "aria-hidden": true }, sayReadout(kept)));
  const canvas = () => element("canvas", { width, height });
  const images = unpack(model.get("images"), dimensions).map((x) => {
    const parts = { original: canvas(), rebuilt: canvas(), number: element("p") };
    return { ...parts, x, cell: element("div", {}, ...Object.values(parts)) };
  });
  const grid = element("div", { class: "vq-images", role: "img" }, ...images.map(({ cell }) => cell));
  const [curve, bars] = [0, 1].map(() => shape("svg", { role: "img" }));
  const keys = ["bound", "trained", "kept", "lost"].map(() => element("p", { class: "vq-part" }));
  const tiny = element("p", { class: "vq-tiny" });
  const root = frame("vq-compression", model.get("alt"),
    element("div", { class: "vq-choice" },
      choice.label, element("div", { class: "vq-readouts" }, ...others, readout)),
    element("div", {}, element("p", {}, words.images), grid),
    element("div", { class: "vq-bound" }, element("p", {}, words.plot), curve, ...keys.slice(0, 2)),
    element("div", { class: "vq-bars" }, element("p", {}, words.bars), bars, ...keys.slice(2), tiny));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  function sayTrained([, layers, p]) {
    return fill(layers === 1 ? words.oneLayer : words.layers, { layers, p: fixed(p, 3) });
  }

  function sayReadout(kept) {
    const best = fixed(bounds[kept], 3);
    const said = { kept, n, trash: n - kept, count: 2 ** kept, dimensions, best };
    return [fill(words.readout, said), ...trainedAt(kept).map(sayTrained)].join(" ");
  }

  function drawImages(kept) {
    const room = grid.getBoundingClientRect().width || 340;
    const rows = Math.ceil(images.length / Math.max(1, Math.floor(room / IMAGE[0])));
    const columns = Math.ceil(images.length / rows);
    grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, ${IMAGE[1]}px))`;
    for (const { x, original, rebuilt, number } of images) {
      const left = project(eigenvectors, x, 2 ** kept);
      const brightest = Math.max(...x);
      paint(original.getContext("2d"), x.map((value) => value / brightest), width);
      paint(rebuilt.getContext("2d"), left.map((value) => value / brightest), width);
      number.textContent = fixed(squaredLength(left), 2);
    }
    const numbers = images.map(({ number }) => number.textContent).join(", ");
    grid.setAttribute("aria-label", fill(words.grid, { count: images.length, kept, n, numbers }));
  }

  function drawCurve(kept, colour) {
    const lowest = Math.min(...bounds, ...trained.map(([, , p]) => p));
    const low = Math.max(0, Math.floor(10 * lowest - 0.3) / 10);
    const { x, y } = axes(curve, {
      height: 190, xRange: [0, n], yRange: [low, 1], xTicks: [...bounds.keys()],
      yTicks: ticks(low, 1.0001, 5), xName: "k",
    });
    const points = bounds.map((best, k) => [x(k), y(best)]);
    const [cx, cy] = points[kept];
    curve.append(
      shape("path", { d: `M${cx} ${y(low)}V${y(1)}`, stroke: "currentColor", "stroke-dasharray": "3 3" }),
      shape("path", { d: path(points), fill: "none", stroke: colour("blue"), "stroke-width": 2 }),
      ...points.map((point) => MARKS.bound(...point, colour)),
      shape("circle", { cx, cy, r: 7, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
    bounds.forEach((_, k) => drawTrained(trainedAt(k), { x, y }, y(low), colour));
    const said = bounds.map((best, k) =>
      [fill(words.point, { kept: k, best: fixed(best, 3) }), ...trainedAt(k).map(sayTrained)].join(" "));
    curve.setAttribute("aria-label", `${words.plot}. ${said.join(" ")}`);
  }

  /** The points of one k, and beside each its number of layers, where points lie close a bit away. */
  function drawTrained(points, { x, y }, bottom, colour) {
    const sorted = points.toSorted(([, , p], [, , other]) => other - p);
    const heights = sorted.map(([, , p]) => y(p));
    const labels = spread(heights, 13, bottom - 7);
    sorted.forEach(([k, layers], i) => {
      const line = `M${x(k) + 5} ${heights[i]}L${x(k) + 10} ${labels[i]}`;
      if (labels[i] !== heights[i]) curve.append(shape("path", { d: line, stroke: colour("orange") }));
      curve.append(MARKS.trained(x(k), heights[i], colour),
        shape("text", { x: x(k) + 11, y: labels[i] + 4 }, String(layers)));
    });
  }

  function drawBars(kept, colour) {
    const count = 2 ** kept;
    const drawn = eigenvalues.filter((value) => value >= 10 ** FLOOR);
    const floor = Math.min(-1, Math.floor(Math.log10(drawn.at(-1))));
    const { x, y } = axes(bars, {
      height: 190, xRange: [0.5, dimensions + 0.5], yRange: [floor, 0], xName: "i", yTicks: [],
      xTicks: bounds.map((_, k) => 2 ** k),
    });
    const powers = Array.from({ length: 1 - floor }, (_, i) => -i);
    const lines = powers.map((power) => `M${x(0.5)} ${y(power)}H${x(dimensions + 0.5)}`).join("");
    const wide = 0.7 * (x(1) - x(0));
    bars.append(
      shape("path", { d: lines, stroke: "currentColor", opacity: 0.16 }),
      ...powers.map((power) => shape("text", { x: x(0.5) - 5, y: y(power) + 4, "text-anchor": "end" },
        power ? tenTo(power) : "1")),
      ...drawn.map((value, i) => {
        const top = y(Math.log10(value));
        return MARKS[i < count ? "kept" : "lost"](x(i + 1) - wide / 2, top, wide, y(floor) - top, colour);
      }));
    const sums = [bounds[kept], bounds[n] - bounds[kept]].map((sum) => fixed(sum, 3));
    const said = [
      fill(words.kept, { count, sum: sums[0] }), fill(words.lost, { count: dimensions - count, sum: sums[1] })];
    const missing = dimensions - drawn.length;
    tiny.textContent = missing ? fill(words.tiny, { count: missing, floor: tenTo(floor) }) : "";
    bars.setAttribute("aria-label", [`${words.bars}.`, ...said, tiny.textContent].join(" "));
    return said;
  }

  function drawKeys([keptText, lostText], colour) {
    const marks = [
      [MARKS.bound(8, 7, colour), words.bound],
      trained.length && [MARKS.trained(8, 7, colour), words.trained],
      [MARKS.kept(4, 1, 7, 12, colour), keptText],
      [MARKS.lost(4, 1, 7, 12, colour), lostText]];
    marks.forEach((key, i) => keys[i].replaceChildren(...(key ? [
      shape("svg", { viewBox: "0 0 16 14", height: 14, "aria-hidden": true }, key[0]), key[1]] : [])));
  }

  function draw() {
    const kept = model.get("kept");
    const dark = isDark(root);
    const colour = (name) => COLOURS[name][+dark];
    drawImages(kept);
    drawCurve(kept, colour);
    drawKeys(drawBars(kept, colour), colour);
    choice.input.value = kept;
    choice.input.setAttribute("aria-valuetext", fill(words.value, { kept, n }));
    const said = sayReadout(kept);
    if (readout.textContent !== said) readout.textContent = said; // not read out while nothing changes
  }

  choice.input.addEventListener("input", () => {
    model.set("kept", +choice.input.value);
    model.save_changes();
  });
  model.on("change:kept", draw);
  draw();
  const stops = [onTheme(draw), onWidth(root, draw)];
  return () => {
    stops.forEach((stop) => stop());
    model.off("change:kept", draw);
  };
}

export default { render };
