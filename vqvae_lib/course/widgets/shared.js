// What the interactive figures share. This text is put before each module's own: a module is loaded
// out of a string, from where it could not import another file.

/** The palette of the printed figures (plotting.COLOURS): in a light page, in a dark page. */
const COLOURS = {
  blue: ["#00528f", "#5aa9e6"],
  orange: ["#c96800", "#ffb866"],
  green: ["#00795a", "#3fcf9f"],
  purple: ["#a63f7f", "#e79ac8"],
  sky: ["#2f86b8", "#8fd0f5"],
  grey: ["#6b6b6b", "#b0b0b0"],
};

const SHARED_STYLE = `
.vq-live label { display: block; margin-top: .6rem; font-size: .9em; }
.vq-live fieldset { border: 0; margin: .5rem 0 0; padding: 0; min-width: 0; font-size: .9em; }
.vq-live legend { float: none; font-size: 1em; margin: 0; padding: 0; }
.vq-live fieldset label { font-size: 1em; }
.vq-live input[type=range] { width: 100%; }
.vq-live a { color: inherit; }
.vq-live p { margin: .5rem 0 0; font-size: .9em; }
.vq-live svg { display: block; width: 100%; font-size: 12px; overflow: visible; }
.vq-live svg text { fill: currentColor; }
.vq-live .vq-halo { font-size: 14px; font-weight: 600; paint-order: stroke; stroke-width: 4px;
  stroke-linejoin: round; stroke: var(--vq-paper, var(--jp-layout-color0, Canvas)); }
.vq-live button { font: inherit; font-size: .9em; color: inherit; background: none; cursor: pointer;
  border: 1px solid currentColor; border-radius: 6px; min-height: 2rem; padding: 0 .5rem; }
.vq-live button:hover { background: color-mix(in srgb, currentColor 12%, transparent); }
.vq-live :is(canvas, svg, button):focus-visible { outline: 3px solid #2f86b8; outline-offset: 2px; }
`;

const clip = (value, low, high) => Math.min(high, Math.max(low, value));

/** A number as people write it, with a true minus sign. */
function fixed(value, digits) {
  const text = value.toFixed(digits);
  return text.replace("-", +text ? "−" : "");
}
const short = (value) => String(+value.toPrecision(4)).replace("-", "−");

/** Fill the {fields} of a text. */
const fill = (text, fields) =>
  Object.entries(fields).reduce((said, [name, value]) => said.replace(`{${name}}`, () => value), text);

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
function shape(tag, attributes = {}, ...children) {
  const node = document.createElementNS(`http://www.w3.org/2000/svg`, tag);
  return furnish(node, attributes, children);
}

/** The whole of a figure, with a text that says what it shows. */
function frame(name, alt, ...children) {
  const root = element("div", { class: `${name} vq-live`, role: "group", "aria-label": alt }, ...children);
  // JupyterLab goes from cell to cell on these keys, and would take them from the sliders.
  root.addEventListener("keydown", (event) => {
    if (/^(Arrow|Page|Home|End)/.test(event.key)) event.stopPropagation();
  });
  return root;
}

/** A range input and the label around it. */
function slider(text, low, high, step) {
  const input = element("input", { type: "range", min: low, max: high, step });
  return { input, label: element("label", {}, text, input) };
}

/** A button that calls `press`. */
function button(text, press) {
  const made = element("button", { type: "button" }, text);
  made.addEventListener("click", press);
  return made;
}

/** Radio buttons for pairs [value, text]; `pick` is called with the chosen value. */
function radios(options, pick) {
  const name = `vq-${Math.random()}`; // several figures on a page do not share their buttons
  return options.map(([value, text]) => {
    const input = element("input", { type: "radio", name, value });
    input.addEventListener("change", () => pick(value));
    return { input, label: element("label", {}, input, ` ${text}`) };
  });
}

/** Random numbers from 0 to 1, the same for the same seed (a generator known as mulberry32). */
function randomNumbers(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Little-endian float16 bytes in base64 to numbers. */
function float16(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    const half = view.getUint16(2 * i, true);
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** Whether the text around `el` is light, so that the page is dark. */
function isDark(el) {
  const ink = (getComputedStyle(el).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return ink[0] + ink[1] + ink[2] > 384;
}

/** Call `draw` when the book or JupyterLab switches between light and dark, by an attribute. */
function onTheme(draw) {
  const themes = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  }
  return () => themes.disconnect();
}

/** Call `draw` when a drawing's width changes, also from none to some. */
function onWidth(drawing, draw) {
  const widths = new ResizeObserver(draw);
  widths.observe(drawing);
  return () => widths.disconnect();
}

/** The direction of an arrow key, right and up, or undefined; the page does not scroll then. */
function arrow(event) {
  const direction = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
  }[event.key];
  if (direction) event.preventDefault();
  return direction;
}

/** Paint numbers from 0 to 1 as an image: dark ink on light paper, as in the printed figures. */
function paint(context, values, width, left = 0, top = 0) {
  const pixels = context.createImageData(width, values.length / width);
  values.forEach((value, i) => {
    const grey = Math.round(255 * (1 - clip(value, 0, 1)));
    pixels.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(pixels, left, top);
}

/** Round numbers from low to high, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => step * (first + i));
}

/**
 * Give an SVG the size of its place and draw axes in it. `xRange` and `yRange` are [low, high],
 * `xTicks` and `yTicks` the numbers written at them, `warp` what makes the horizontal axis even, such
 * as Math.log. Returns the scales x(value) and y(value), from numbers to drawing units.
 */
function axes(drawing, {
  height, xRange, yRange, xTicks, yTicks, xName, top = 8, left = 38, warp = (value) => value,
}) {
  const width = drawing.getBoundingClientRect().width || 340;
  const [right, bottom] = [width - 22, height - 22];
  const [low, high] = xRange.map(warp);
  const x = (value) => left + ((right - left) * (warp(value) - low)) / (high - low);
  const y = (value) => bottom - ((bottom - top) * (value - yRange[0])) / (yRange[1] - yRange[0]);
  // A number that would touch the one before is left out.
  const apart = xTicks.reduce(
    (kept, value) => (kept.length && x(value) - x(kept.at(-1)) < 32 ? kept : [...kept, value]), []);
  const line = (x1, y1, x2, y2, opacity) => shape("line", { x1, y1, x2, y2, opacity });
  const text = (x, y, anchor, said) => shape("text", { x, y, "text-anchor": anchor }, said);
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("height", height);
  drawing.replaceChildren(
    shape("g", { stroke: "currentColor" },
      ...yTicks.map((value) => line(left, y(value), right, y(value), 0.16)),
      ...xTicks.map((value) => line(x(value), bottom, x(value), bottom + 4, 0.7)),
      line(left, bottom, right, bottom, 0.7)),
    ...yTicks.map((value) => text(left - 5, y(value) + 4, "end", short(value))),
    ...apart.map((value) => text(x(value), bottom + 17, "middle", short(value))),
    text(width, bottom + 17, "end", xName));
  return { x, y };
}

/** The path through points [x, y], in drawing units. */
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

