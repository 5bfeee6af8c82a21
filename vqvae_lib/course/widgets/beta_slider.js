// Samples of several models, one for each weight beta of the KL, and what each model costs.

/** The images of every model, as numbers from 0 to 1: base64 bytes to model, image, pixel. */
export function unpack(base64, models, pixels) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const ink = Float32Array.from(bytes, (byte) => byte / 255);
  const count = bytes.length / models / pixels;
  return Array.from({ length: models }, (_, model) =>
    Array.from({ length: count }, (_, image) => {
      const start = (model * count + image) * pixels;
      return ink.subarray(start, start + pixels);
    }));
}

/** How many images stand in a row: a full last row where that does not make the grid too wide. */
export function columnsOf(count) {
  const root = Math.ceil(Math.sqrt(count));
  return Array.from({ length: root }, (_, i) => root + i).find((n) => count % n === 0) ?? root;
}

const STYLE = `
.vq-beta { display: flex; flex-wrap: wrap; gap: .8rem 1.8rem; align-items: flex-start; }
.vq-beta .vq-choice { flex: 1 1 100%; }
.vq-beta .vq-choice label { margin-top: 0; }
.vq-beta .vq-samples { flex: 1.4 1 260px; min-width: 0; max-width: 420px; }
.vq-beta .vq-terms { flex: 1 1 220px; min-width: 0; }
.vq-beta .vq-terms p:not(:first-child) { margin-top: .7rem; }
.vq-beta .vq-terms p:first-child { margin-top: 0; }
.vq-beta canvas { display: block; width: 100%; image-rendering: pixelated; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const betas = model.get("betas");
  const [height, width] = model.get("image_shape");
  const terms = model.get("terms");
  const images = unpack(model.get("pixels"), betas.length, height * width);

  const count = images[0].length;
  const columns = columnsOf(count);
  const gap = Math.max(1, Math.round(height / 14));
  const grid = element("canvas", {
    width: columns * (width + gap) - gap,
    height: Math.ceil(count / columns) * (height + gap) - gap,
    role: "img",
  });
  const choice = slider(words.slider, 0, betas.length - 1, 1);
  const readout = element("p", { "aria-live": "polite" });
  const plots = terms.map(([name, values]) => ({ name, values, drawing: shape("svg", { role: "img" }) }));
  const root = frame("vq-beta", model.get("alt"),
    element("div", { class: "vq-choice" }, choice.label, readout),
    element("div", { class: "vq-samples" }, grid),
    element("div", { class: "vq-terms" },
      ...plots.flatMap(({ name, drawing }) => [element("p", {}, name), drawing])));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  function drawTerm({ name, values, drawing }, chosen) {
    const colour = COLOURS.blue[+isDark(root)];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = 0.1 * (high - low) || 1;
    const yRange = [low - room, high + room];
    const { x, y } = axes(drawing, {
      height: 104, xRange: [betas[0], betas.at(-1)], xTicks: betas, xName: "β", warp: Math.log,
      yRange, yTicks: ticks(...yRange, 4),
    });
    const points = betas.map((beta, i) => [x(beta), y(values[i])]);
    const [cx, cy] = points[chosen];
    drawing.append(
      shape("path", { d: `M${cx} ${y(yRange[0])}V${y(yRange[1])}`, stroke: "currentColor", "stroke-dasharray": "3 3" }),
      shape("path", { d: path(points), fill: "none", stroke: colour, "stroke-width": 2 }),
      ...points.map(([cx, cy]) => shape("circle", { cx, cy, r: 2.6, fill: colour })),
      shape("circle", { cx, cy, r: 6, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
    const said = { name, beta: short(betas[chosen]), value: short(values[chosen]) };
    drawing.setAttribute("aria-label", fill(words.plot, said));
  }

  function draw() {
    const chosen = model.get("chosen");
    const beta = short(betas[chosen]);
    const context = grid.getContext("2d");
    images[chosen].forEach((image, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      paint(context, image, width, column * (width + gap), row * (height + gap));
    });
    plots.forEach((plot) => drawTerm(plot, chosen));
    grid.setAttribute("aria-label", fill(words.grid, { count, beta }));
    const shown = fill(words.beta, { beta });
    choice.input.value = chosen;
    choice.input.setAttribute("aria-valuetext", shown);
    readout.textContent = [shown, ...terms.map(([name, values]) => `${name} ${short(values[chosen])}`)].join("; ");
  }

  choice.input.addEventListener("input", () => {
    model.set("chosen", +choice.input.value);
    model.save_changes();
  });
  model.on("change:chosen", draw);
  draw();
  const stops = [onTheme(draw), onWidth(root, draw)];
  return () => {
    stops.forEach((stop) => stop());
    model.off("change:chosen", draw);
  };
}

export default { render };
