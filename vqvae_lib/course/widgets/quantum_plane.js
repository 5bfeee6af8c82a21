// needs: network simulator sphere plane
// The latent plane of a hybrid model: its point z goes through the circuit and then the decoder. Each
// qubit is drawn behind the circuit, with its Bloch vector and its features.

/** What becomes of z: the qubits' Bloch vectors, the features, and the decoded image. */
export function pass({ circuit, weights, scale, network }, z) {
  const state = evolve(circuit, weights, z);
  const measured = features(circuit, state);
  return {
    vectors: Array.from({ length: circuit.n }, (_, qubit) => blochVector(state, qubit)),
    features: measured,
    image: decode(network, measured.map((value, k) => scale[k] * value)),
  };
}

const VIEW = { azimuth: 32, elevation: 18 }; // degrees
const ENDS = [["z", "", Z, 1], ["x", "", X, 1], ["y", "", Y, 1]];
const ROW = 22; // of a feature
const BESIDE = [34, 46]; // a feature's name, and its number

const STYLE = `
.vq-quantum { container-type: inline-size; font-variant-numeric: tabular-nums; }
.vq-quantum .vq-parts { display: flex; gap: .9rem 1.6rem; }
.vq-quantum .vq-column { flex: 1 1 0; min-width: 0; }
.vq-quantum :is(.vq-map, .vq-move) { max-width: ${PLANE}px; }
.vq-quantum .vq-balls { display: flex; gap: 1rem; margin: .4rem 0 .9rem; }
.vq-quantum .vq-balls svg { flex: 1 1 0; min-width: 0; max-width: 240px; }
.vq-quantum .vq-view { display: grid; grid-template-columns: 112px 1fr; gap: 0 1rem; }
.vq-quantum :is(.vq-qubits, .vq-view) p { margin-top: 0; }
.vq-quantum .vq-halo { stroke: none; }
/* In a narrow place the point, the qubits and the image come first, one below the other. */
@container (max-width: 560px) {
  .vq-quantum .vq-parts { flex-direction: column; }
  .vq-quantum .vq-column { display: contents; }
  .vq-quantum :is(.vq-move, .vq-notes) { order: 1; }
}
`;

function render({ model, el }) {
  const words = model.get("words");
  const circuit = model.get("circuit");
  const parts = { circuit, weights: model.get("weights"), scale: model.get("feature_scale"),
    network: unpack(model.get("layers")) };
  const balls = Array.from({ length: circuit.n }, () => shape("svg", { role: "img" }));
  const { map, caption, view, readout, sliders, draw, start } = plane(model, words, (z) => {
    const { vectors, features, image } = pass(parts, z);
    vectors.forEach((vector, qubit) => drawQubit(qubit, vector, features));
    const lengths = vectors.map((vector) => fixed(Math.hypot(...vector), 2)).join(", ");
    return { image, spoken: fill(words.spoken, { features: features.map(say).join(", "), lengths }) };
  });
  const notes = [circuit.n > 1 ? words.inside : words.alone];
  if (parts.scale.some((value) => value !== 1)) {
    const scaled = parts.scale.map((value, k) => `${fixed(value, 2)}\u00a0${featureName(circuit, k)}`);
    notes.push(fill(words.scaled, { features: scaled.join(", ") }));
  }
  const box = (name, ...children) => element("div", { class: name }, ...children);
  const root = frame("vq-quantum", model.get("alt"), box("vq-parts",
    box("vq-column", box("vq-map", map), box("vq-move", ...sliders, caption)),
    box("vq-column", box("vq-qubits", element("p", {}, words.behind), box("vq-balls", ...balls)),
      box("vq-view", view, readout),
      box("vq-notes", ...notes.map((note) => element("p", {}, note))))));
  el.replaceChildren(element("style", {}, SHARED_STYLE + PLANE_STYLE + STYLE), root);

  const colour = (name) => COLOURS[name][+isDark(root)];
  const text = (x, y, said, anchor = "middle", size = 13) =>
    shape("text", { x, y, "text-anchor": anchor, "font-size": size }, said);
  const say = (value, k) => `${featureName(circuit, k)} = ${fixed(value, 2)}`;

  /** A qubit's ball, and below it a bar for each of its features. */
  function drawQubit(qubit, vector, features) {
    const first = qubit * circuit.readout.length;
    const own = features.slice(first, first + circuit.readout.length);
    const below = 32 + ROW * own.length;
    const pen = pencil(balls[qubit], VIEW, { most: 70, beside: 8, above: 18, below });
    const { cx, cy, radius } = pen;
    const length = Math.hypot(...vector);
    const [x, y, z, long] = [...vector, length].map((value) => fixed(value, 2));
    const name = fill(words.qubit, { number: qubit });
    const top = cy + radius + 22;
    balls[qubit].replaceChildren(...drawBall(pen),
      shape("circle", { class: "vq-length", cx, cy, r: radius * length, fill: colour("sky"),
        "fill-opacity": 0.3 }),
      ...drawArrow(pen, vector, colour("blue"), 10),
      ...drawNames(pen, ENDS, { out: [9, 9], apart: [14, 14] }),
      text(cx, top, `${name}: |r| = ${long}`),
      ...drawBars(own.map((value, i) => [featureName(circuit, first + i), value]), top + 12, pen.width));
    const said = own.map((value, i) => say(value, first + i)).join(", ");
    balls[qubit].setAttribute("aria-label",
      `${name}: ${fill(words.vector, { x, y, z, length: long, features: said })}`);
  }

  /** Bars from −1 to 1, with names and numbers. */
  function drawBars(rows, top, width) {
    const [left, right] = [BESIDE[0], width - BESIDE[1]];
    const x = (value) => left + ((right - left) * (value + 1)) / 2;
    const line = (value, opacity) => shape("path", { d: `M${x(value)} ${top}v${ROW * rows.length}`,
      stroke: "currentColor", opacity });
    return [line(-1, 0.3), line(1, 0.3),
      ...rows.flatMap(([name, value], i) => {
        const y = top + ROW * i;
        return [text(0, y + 15, name, "start"), text(width, y + 15, fixed(value, 2), "end"),
          shape("rect", { class: "vq-bar", x: x(Math.min(0, value)), y: y + 4, height: ROW - 8,
            width: Math.abs(x(value) - x(0)), fill: colour(value < 0 ? "orange" : "blue") })];
      }),
      line(0, 0.7),
      ...[-1, 0, 1].map((mark) =>
        text(x(mark), top + ROW * rows.length + 12, short(mark), "middle", 11))];
  }

  const stops = [start(), onWidth(root, draw)];
  return () => stops.forEach((stop) => stop());
}

export default { render };
