// The latent plane: a decoder with a two-dimensional code, run in the browser.
// One module for JupyterLab and for the built book; everything it needs is in the model's traits.

const PLANE = 400; // drawing units; the canvas is scaled by CSS
const SHARP = 2; // pixels in a unit, for screens of high resolution

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

function isDark(el) {
  const ink = getComputedStyle(el).color.match(/[\d.]+/g).map(Number);
  return ink[0] + ink[1] + ink[2] > 384;
}

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const STYLE = `
.vq-plane { display: flex; flex-wrap: wrap; gap: 1rem 1.6rem; align-items: flex-start; }
.vq-plane .vq-map { flex: 1 1 260px; max-width: ${PLANE}px; }
.vq-plane .vq-view { flex: 1 1 180px; max-width: 220px; }
.vq-plane canvas { display: block; width: 100%; border: 1px solid currentColor; border-radius: 6px; }
.vq-plane .vq-map canvas { touch-action: none; cursor: crosshair; }
.vq-plane .vq-map canvas:focus-visible { outline: 3px solid #2f86b8; outline-offset: 2px; }
.vq-plane .vq-view canvas { image-rendering: pixelated; }
.vq-plane label { display: block; margin-top: .6rem; font-size: .9em; }
.vq-plane input { width: 100%; }
.vq-plane p { margin: .5rem 0 0; font-size: .9em; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const network = unpack(model.get("layers"));
  const [low1, high1, low2, high2] = model.get("extent");
  const [height, width] = model.get("image_shape");
  const codes = model.get("codes");

  const map = element("canvas", {
    width: SHARP * PLANE, height: SHARP * PLANE, tabindex: 0, role: "application", "aria-label": words.plane,
  });
  const view = element("canvas", { width, height, role: "img" });
  const readout = element("p", { "aria-live": "polite" });
  const slider = (text, low, high) => {
    const input = element("input", { type: "range", min: low, max: high, step: 0.01 });
    return { input, label: element("label", {}, text, input) };
  };
  const first = slider(words.first, low1, high1);
  const second = slider(words.second, low2, high2);
  const root = element("div", { class: "vq-plane", role: "group", "aria-label": model.get("alt") },
    element("style", {}, STYLE),
    element("div", { class: "vq-map" }, map, element("p", {}, words.labels)),
    element("div", { class: "vq-view" }, view, readout, first.label, second.label));
  el.replaceChildren(root);

  const toPixel = ([a, b]) => [
    (PLANE * (a - low1)) / (high1 - low1),
    (PLANE * (high2 - b)) / (high2 - low2),
  ];

  function drawMap(z) {
    const context = map.getContext("2d");
    const dark = isDark(root);
    context.setTransform(SHARP, 0, 0, SHARP, 0, 0);
    context.clearRect(0, 0, PLANE, PLANE);
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

  function drawView(z) {
    const values = decode(network, z);
    const context = view.getContext("2d");
    const pixels = context.createImageData(width, height);
    values.forEach((value, i) => {
      // Dark ink on light paper, as in the printed figures.
      const grey = Math.round(255 * (1 - Math.min(1, Math.max(0, value))));
      pixels.data.set([grey, grey, grey, 255], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
  }

  function nearest([a, b]) {
    // In units of the plane's width and height, as the eye sees it.
    const distance = ([c, d]) => ((a - c) / (high1 - low1)) ** 2 + ((b - d) / (high2 - low2)) ** 2;
    return codes.reduce((best, code) => (distance(code) < distance(best) ? code : best))[2];
  }

  function draw() {
    const z = model.get("z");
    drawMap(z);
    drawView(z);
    const [a, b] = z.map((value) => value.toFixed(2));
    const said = words.decoded.replace("{a}", a).replace("{b}", b);
    view.setAttribute("aria-label", said);
    readout.textContent = `${said}; ${words.nearest.replace("{label}", nearest(z))}`;
    first.input.value = z[0];
    second.input.value = z[1];
  }

  function move(a, b) {
    const clip = (value, low, high) => Math.min(high, Math.max(low, value));
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
    const direction = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
    }[event.key];
    if (!direction) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab moves between cells on arrow keys
    const [a, b] = model.get("z");
    const step = event.shiftKey ? 0.1 : 0.02;
    move(a + direction[0] * step * (high1 - low1), b + direction[1] * step * (high2 - low2));
  });
  for (const { input } of [first, second]) {
    input.addEventListener("input", () => move(+first.input.value, +second.input.value));
  }

  model.on("change:z", draw);
  // The book and JupyterLab switch between light and dark by an attribute.
  const themes = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body]) {
    themes.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light"] });
  }
  draw();
  return () => {
    themes.disconnect();
    model.off("change:z", draw);
  };
}

export default { render };
