// The plane of codes: a map with a point z that is dragged, and the image that is decoded there.

const PLANE = 400; // drawing units; the canvas is scaled by CSS
const SHARP = 2; // pixels in a unit, for screens of high resolution

const PLANE_STYLE = `
.vq-live :is(.vq-map, .vq-view) canvas { display: block; width: 100%; border: 1px solid currentColor;
  border-radius: 6px; }
.vq-live .vq-map canvas { touch-action: none; cursor: crosshair; }
.vq-live .vq-view canvas { image-rendering: pixelated; }
.vq-live .vq-spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`;

/**
 * The parts of the figure, for a layout to place: map, caption, view, readout and two sliders. `start`
 * draws them and keeps them in step with the model; it gives back what ends that.
 *
 * `follow(z)` gives the pixels of the decoded `image`, and in `spoken` what only drawings show of z: a
 * screen reader hears it.
 */
function plane(model, words, follow) {
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
  const caption = element("p", {}, prior ? `${words.labels} ${words.circles}` : words.labels);

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
    const dark = isDark(map);
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
    const { image, spoken } = follow(z);
    drawMap(z);
    paint(view.getContext("2d"), image, width);
    const [a, b] = z.map((value) => value.toFixed(2));
    const said = fill(words.decoded, { a, b });
    view.setAttribute("aria-label", said);
    readout.textContent = `${said}; ${fill(words.nearest, { label: nearest(z) })}`;
    if (spoken) readout.append(element("span", { class: "vq-spoken" }, `; ${spoken}`));
    first.input.value = z[0];
    second.input.value = z[1];
  }

  function move(a, b) {
    const round = (value) => Math.round(100 * value) / 100;
    model.set("z", [round(clip(a, low1, high1)), round(clip(b, low2, high2))]);
    model.save_changes();
  }

  function moveTo(event) {
    const box = map.getBoundingClientRect();
    move(
      low1 + ((event.clientX - box.left) / box.width) * (high1 - low1),
      high2 - ((event.clientY - box.top) / box.height) * (high2 - low2),
    );
  }
  map.addEventListener("pointerdown", (event) => {
    map.setPointerCapture(event.pointerId);
    moveTo(event);
  });
  map.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) moveTo(event);
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

  function start() {
    model.on("change:z", draw);
    const stopThemes = onTheme(draw);
    draw();
    return () => {
      stopThemes();
      model.off("change:z", draw);
    };
  }
  return { map, caption, view, readout, sliders: [first.label, second.label], draw, start };
}
