// The same images in several maps. One is chosen; its nearest images in the data are marked in each.

/** Rows of `width` numbers out of one long list. */
export function rows(values, width) {
  return Array.from({ length: values.length / width }, (_, i) =>
    Array.from(values.slice(i * width, (i + 1) * width)));
}

/** Numbers from 0 to 255 out of base64 bytes. */
export const bytes = (base64) => Array.from(atob(base64), (c) => c.charCodeAt(0));

/** Indices of the `count` rows nearest to row `index`, itself left out, the nearest first. */
export function nearest(points, index, count) {
  const from = points[index];
  const distance = (row) => row.reduce((sum, value, i) => sum + (value - from[i]) ** 2, 0);
  return points
    .map((row, i) => [distance(row), i])
    .filter(([, i]) => i !== index)
    .sort(([a, i], [b, j]) => a - b || i - j)
    .slice(0, count)
    .map(([, i]) => i);
}

/** Which of the nearest images are among the nearest in a map, each true or false. */
export function kept(images, places, index, count) {
  const near = new Set(nearest(places, index, count));
  return nearest(images, index, count).map((i) => near.has(i));
}

/** The point of a map that lies farthest into a direction without lying much aside, or undefined. */
export function towards(places, index, [right, up]) {
  const [x, y] = places[index];
  let best;
  let least = Infinity;
  places.forEach(([a, b], i) => {
    const along = (a - x) * right + (b - y) * up;
    const aside = Math.abs((a - x) * up) + Math.abs((b - y) * right);
    if (along <= 1e-9 || aside > 2 * along) return;
    const cost = along + 2 * aside;
    if (cost < least) [best, least] = [i, cost];
  });
  return best;
}

const MAP = 300; // drawing units
const EDGE = 16;
const CLOSE = 24; // units, within which a pointer finds an image

const STYLE = `
.vq-embeddings { font-variant-numeric: tabular-nums; container-type: inline-size; }
.vq-embeddings .vq-maps { display: grid; gap: .6rem 1rem; align-items: end;
  grid-template-columns: repeat(2, minmax(0, 1fr)); }
.vq-embeddings .vq-maps text { font-size: 11px; }
.vq-embeddings .vq-maps p { margin: 0 0 .2rem; }
.vq-embeddings .vq-maps svg { border: 1px solid currentColor; border-radius: 6px; cursor: crosshair; }
.vq-embeddings .vq-near { display: flex; flex-wrap: wrap; gap: .5rem; align-items: flex-end; margin-top: .7rem; }
.vq-embeddings .vq-near canvas { display: block; width: 44px; image-rendering: pixelated;
  border: 1px solid currentColor; }
.vq-embeddings .vq-near canvas:first-child { width: 84px; margin-right: .6rem; }
/* In a narrow place a map is half as wide, and its numerals, in its units, larger. */
@container (max-width: 420px) {
  .vq-embeddings .vq-maps { gap: .5rem; }
  .vq-embeddings .vq-maps text { font-size: 18px; }
}
`;

function render({ model, el }) {
  const words = model.get("words");
  const names = model.get("names");
  const labels = model.get("labels");
  const count = model.get("neighbours");
  const [height, width] = model.get("image_shape");
  const images = rows(bytes(model.get("pixels")), height * width);
  const maps = names.map((name, i) => ({
    name,
    places: rows(float16(model.get("places")[i]), 2),
    said: element("p", {}),
    drawing: shape("svg", { viewBox: `0 0 ${MAP} ${MAP}`, tabindex: 0, role: "application" }),
  }));
  const near = Array.from({ length: count + 1 }, () =>
    element("canvas", { width, height, role: "img" }));
  const readout = element("p", { "aria-live": "polite" });
  const choice = slider(words.slider, 0, images.length - 1, 1);
  const root = frame("vq-embeddings", model.get("alt"),
    element("p", {}, words.choose),
    element("div", { class: "vq-maps" },
      ...maps.map(({ said, drawing }) => element("div", {}, said, drawing))),
    element("div", { class: "vq-near" }, ...near),
    readout, choice.label, element("p", {}, words.legend));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  const place = ([a, b]) => [EDGE + (MAP - 2 * EDGE) * a, MAP - EDGE - (MAP - 2 * EDGE) * b];

  function choose(index) {
    if (index === undefined || index === model.get("chosen")) return;
    model.set("chosen", index);
    model.save_changes();
  }

  function drawMap({ name, places, said, drawing }, chosen) {
    const dark = isDark(root);
    const order = nearest(images, chosen, count);
    const held = kept(images, places, chosen, count);
    const number = held.filter(Boolean).length;
    const ink = COLOURS.blue[+dark];
    const mark = (index, attributes) => {
      const [cx, cy] = place(places[index]);
      return shape("circle", { cx, cy, fill: "none", ...attributes });
    };
    drawing.replaceChildren(
      ...places.map((point, i) => {
        const [x, y] = place(point);
        // The numeral says the class; its colour only helps the eye.
        return shape("text", { x, y: y + 4, "text-anchor": "middle",
          style: `fill: hsl(${36 * labels[i]} 60% ${dark ? 68 : 36}%)` }, String(labels[i]));
      }),
      ...order.map((index, i) => mark(index, { class: "vq-neighbour", r: 8, stroke: ink,
        "stroke-width": 2, "stroke-dasharray": held[i] ? "none" : "3 3" })),
      mark(chosen, { class: "vq-chosen", r: 11, stroke: "currentColor", "stroke-width": 3 }));
    said.textContent = fill(words.kept, { name, kept: number, count });
    drawing.setAttribute("aria-label",
      fill(words.map, { name, label: labels[chosen], kept: number }).replaceAll("{count}", count));
  }

  function draw() {
    const chosen = model.get("chosen");
    const order = nearest(images, chosen, count);
    maps.forEach((map) => drawMap(map, chosen));
    [chosen, ...order].forEach((index, i) => {
      paint(near[i].getContext("2d"), images[index].map((value) => value / 255), width);
      near[i].setAttribute("aria-label", fill(words.image, { index, label: labels[index] }));
    });
    const said = fill(words.image, { index: chosen, label: labels[chosen] });
    readout.textContent = `${said}; ${fill(words.nearest, { count })}: ${order.map((i) => labels[i]).join(", ")}`;
    choice.input.value = chosen;
    choice.input.setAttribute("aria-valuetext", said);
  }

  function pointed({ places, drawing }, event) {
    const box = drawing.getBoundingClientRect();
    const x = (MAP * (event.clientX - box.left)) / box.width;
    const y = (MAP * (event.clientY - box.top)) / box.height;
    const far = places.map((point) => Math.hypot(place(point)[0] - x, place(point)[1] - y));
    const index = far.indexOf(Math.min(...far));
    return far[index] <= CLOSE ? index : undefined;
  }
  for (const map of maps) {
    map.drawing.addEventListener("pointerdown", (event) => choose(pointed(map, event)));
    map.drawing.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") choose(pointed(map, event));
    });
    map.drawing.addEventListener("keydown", (event) => {
      const direction = arrow(event);
      if (direction) choose(towards(map.places, model.get("chosen"), direction));
    });
  }
  choice.input.addEventListener("input", () => choose(+choice.input.value));
  model.on("change:chosen", draw);
  draw();
  const stop = onTheme(draw);
  return () => {
    stop();
    model.off("change:chosen", draw);
  };
}

export default { render };
