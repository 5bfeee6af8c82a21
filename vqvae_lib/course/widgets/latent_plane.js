// The latent plane: a decoder with a two-dimensional code, run in the browser. One plane, or several
// side by side. One module for JupyterLab and for the built book; everything it needs is in the
// model's traits.

const PLANE = 400; // drawing units; the canvas is scaled by CSS
const SHARP = 2; // pixels in a unit, for screens of high resolution

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Error function: its power series near zero, its continued fraction beyond. */
function erf(x) {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let sum = a;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-a * a) / n;
      sum += term / (2 * n + 1);
      if (n > 200) break;
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * fraction));
}

const ACTIVATIONS = {
  none: (x) => x,
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  tanh: Math.tanh,
  relu: (x) => Math.max(0, x),
  silu: (x) => x * sigmoid(x),
  sigmoid,
};

/** Unpack the weights once: a list of { rows, columns, weight, bias, activation }. */
export function unpack(layers) {
  return layers.map(({ shape, weight, bias, activation }) => ({
    rows: shape[0],
    columns: shape[1],
    weight: float16(weight),
    bias: float16(bias),
    activation: ACTIVATIONS[activation],
  }));
}

/** The decoder: z of length 2 to D pixel values. */
export function decode(network, z) {
  let input = z;
  for (const { rows, columns, weight, bias, activation } of network) {
    const output = new Float64Array(rows);
    for (let r = 0; r < rows; r++) {
      let sum = bias[r];
      for (let c = 0; c < columns; c++) sum += weight[r * columns + c] * input[c];
      output[r] = activation(sum);
    }
    input = output;
  }
  return input;
}

const STYLE = `
.vq-plane { display: flex; flex-wrap: wrap; gap: 1rem 1.6rem; align-items: flex-start; }
.vq-plane .vq-map { flex: 1 1 260px; max-width: ${PLANE}px; }
.vq-plane .vq-view { flex: 1 1 180px; max-width: 220px; }
.vq-plane canvas { display: block; width: 100%; border: 1px solid currentColor; border-radius: 6px; }
.vq-plane .vq-map canvas { touch-action: none; cursor: crosshair; }
.vq-plane .vq-view canvas { image-rendering: pixelated; }
/* Titles, maps and images stand in common rows. */
.vq-planes { display: grid; gap: 1rem 1.6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(240px, 100%), 1fr)); }
.vq-planes section { display: grid; grid-row: span 3; grid-template-rows: subgrid;
  row-gap: .6rem; max-width: ${PLANE}px; }
.vq-planes .vq-plane { display: grid; grid-row: span 2; grid-template-rows: subgrid; row-gap: .8rem; }
.vq-planes .vq-title { margin: 0; font-size: 1em; font-weight: 600; }
.vq-planes .vq-view { max-width: none; display: grid; gap: 0 1rem;
  grid-template-columns: 110px 1fr; align-content: start; }
.vq-planes .vq-view canvas { grid-row: 1 / span 3; }
.vq-planes .vq-view > :nth-child(2) { margin-top: 0; min-height: 4.4em; }
`;

/** One plane in `el`; gives back what ends it. */
function renderPlane(model, el, words) {
  const network = unpack(model.get("layers"));
  const [low1, high1, low2, high2] = model.get("extent");
  const [height, width] = model.get("image_shape");
  const codes = model.get("codes");
  const prior = model.get("prior");

  const map = element("canvas", {
    width: SHARP * PLANE, height: SHARP * PLANE, tabindex: 0, role: "application", "aria-label": words.plane,
  });
  const view = element("canvas", { width, height, role: "img" });
  const readout = element("p", { "aria-live": "polite" });
  const first = slider(words.first, low1, high1, 0.01);
  const second = slider(words.second, low2, high2, 0.01);
  const caption = prior ? `${words.labels} ${words.circles}` : words.labels;
  const root = frame("vq-plane", model.get("alt"),
    element("div", { class: "vq-map" }, map, element("p", {}, caption)),
    element("div", { class: "vq-view" }, view, readout, first.label, second.label));
  el.append(root);

  const toPixel = ([a, b]) => [
    (PLANE * (a - low1)) / (high1 - low1),
    (PLANE * (high2 - b)) / (high2 - low2),
  ];

  function drawCircles(context, dark) {
    const [x, y] = toPixel([0, 0]);
    context.strokeStyle = COLOURS.grey[+dark];
    context.lineWidth = 1.5;
    for (const radius of [1, 2]) {
      const [right, up] = toPixel([radius, radius]);
      context.setLineDash(radius === 1 ? [] : [6, 4]);
      context.beginPath();
      context.ellipse(x, y, right - x, y - up, 0, 0, 2 * Math.PI);
      context.stroke();
    }
    context.setLineDash([]);
  }

  function drawMap(z) {
    const context = map.getContext("2d");
    const dark = isDark(root);
    context.setTransform(SHARP, 0, 0, SHARP, 0, 0);
    context.clearRect(0, 0, PLANE, PLANE);
    if (prior) drawCircles(context, dark);
    context.font = "11px sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [a, b, label] of codes) {
      // The numeral says the class; its colour only helps the eye.
      context.fillStyle = `hsl(${36 * label} 60% ${dark ? 68 : 36}%)`;
      context.fillText(label, ...toPixel([a, b]));
    }
    const [x, y] = toPixel(z);
    context.strokeStyle = dark ? "#ffffff" : "#000000";
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x, y, 9, 0, 2 * Math.PI);
    context.moveTo(x - 14, y);
    context.lineTo(x + 14, y);
    context.moveTo(x, y - 14);
    context.lineTo(x, y + 14);
    context.stroke();
  }

  function nearest([a, b]) {
    // In units of the plane's width and height, as the eye sees it.
    const distance = ([c, d]) => ((a - c) / (high1 - low1)) ** 2 + ((b - d) / (high2 - low2)) ** 2;
    return codes.reduce((best, code) => (distance(code) < distance(best) ? code : best))[2];
  }

  function draw() {
    const z = model.get("z");
    drawMap(z);
    paint(view.getContext("2d"), decode(network, z), width);
    const [a, b] = z.map((value) => value.toFixed(2));
    const said = fill(words.decoded, { a, b });
    view.setAttribute("aria-label", said);
    readout.textContent = `${said}; ${fill(words.nearest, { label: nearest(z) })}`;
    first.input.value = z[0];
    second.input.value = z[1];
  }

  function move(a, b) {
    const round = (value) => Math.round(100 * value) / 100;
    model.set("z", [round(clip(a, low1, high1)), round(clip(b, low2, high2))]);
    model.save_changes();
  }

  function follow(event) {
    const box = map.getBoundingClientRect();
    move(
      low1 + ((event.clientX - box.left) / box.width) * (high1 - low1),
      high2 - ((event.clientY - box.top) / box.height) * (high2 - low2),
    );
  }
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    follow(event);
  });
  map.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) follow(event);
  });
  map.addEventListener("keydown", (event) => {
    const direction = arrow(event);
    if (!direction) return;
    const [a, b] = model.get("z");
    const step = event.shiftKey ? 0.1 : 0.02;
    move(a + direction[0] * step * (high1 - low1), b + direction[1] * step * (high2 - low2));
  });
  for (const { input } of [first, second]) {
    input.addEventListener("input", () => move(+first.input.value, +second.input.value));
  }

  model.on("change:z", draw);
  const stopThemes = onTheme(draw);
  draw();
  return () => {
    stopThemes();
    model.off("change:z", draw);
  };
}

/** One plane among several, as a model of its own: its point is one of the model's points. */
function planeOf(model, index) {
  return {
    get: (name) => (name === "z" ? model.get("points")[index] : model.get("planes")[index][name]),
    set: (_name, z) =>
      model.set("points", model.get("points").map((point, i) => (i === index ? z : point))),
    on: (_event, callback) => model.on("change:points", callback),
    off: (_event, callback) => model.off("change:points", callback),
    save_changes: () => model.save_changes(),
  };
}

function render({ model, el }) {
  const words = model.get("words");
  const style = element("style", {}, SHARED_STYLE + STYLE);
  const planes = model.get("planes");
  if (!planes) {
    el.replaceChildren(style);
    return renderPlane(model, el, words);
  }
  const columns = planes.map(({ title }) =>
    element("section", { "aria-label": title }, element("p", { class: "vq-title" }, title)));
  el.replaceChildren(style, frame("vq-planes", model.get("alt"), ...columns));
  const ends = columns.map((column, index) => renderPlane(planeOf(model, index), column, words));
  return () => ends.forEach((end) => end());
}

export default { render };
