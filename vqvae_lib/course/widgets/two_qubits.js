// Two qubits: RY on each, an entangling gate, RY on each again. All amplitudes of this circuit are
// real. They are listed as |00⟩, |01⟩, |10⟩, |11⟩, with qubit 0 first.

const STATES = ["|00⟩", "|01⟩", "|10⟩", "|11⟩"];
const SHOTS = 100;
const STEP = 3; // degrees, of the sliders
const PRESETS = {
  product: { angles: [Math.PI / 2, Math.PI / 3, 0, 0], entangler: "none" },
  bell: { angles: [Math.PI / 2, 0, 0, 0], entangler: "CNOT" },
  anti: { angles: [Math.PI / 2, Math.PI, 0, 0], entangler: "CNOT" },
  partly: { angles: [Math.PI / 3, 0, 0, 0], entangler: "CNOT" },
};

/** What the entangling gates do. */
const ENTANGLERS = {
  none: (state) => state,
  CNOT: ([a, b, c, d]) => [a, b, d, c],
  CZ: ([a, b, c, d]) => [a, b, c, -d],
};

/** RY on both qubits. */
function turn([a, b, c, d], first, second) {
  const [p, q] = [Math.cos(first / 2), Math.sin(first / 2)];
  const [r, s] = [Math.cos(second / 2), Math.sin(second / 2)];
  // Qubit 0 tells the first pair of amplitudes from the second, qubit 1 tells within a pair.
  const [e, f, g, h] = [p * a - q * c, p * b - q * d, q * a + p * c, q * b + p * d];
  return [r * e - s * f, s * e + r * f, r * g - s * h, s * g + r * h];
}

/** The four amplitudes behind the circuit. */
export function amplitudes([t0, t1, t2, t3], entangler) {
  return turn(ENTANGLERS[entangler](turn([1, 0, 0, 0], t0, t1)), t2, t3);
}

/** P(1) of each qubit, and the expectation values ⟨Z₀⟩, ⟨Z₁⟩, ⟨Z₀Z₁⟩ and their correlation. */
export function expectations(state) {
  const [a, b, c, d] = state.map((amplitude) => amplitude ** 2);
  const [z0, z1, both] = [a + b - c - d, a - b + c - d, a - b - c + d];
  return { ones: [c + d, b + d], single: [z0, z1], both, correlation: both - z0 * z1 };
}

/** ψ₀₀ψ₁₁ − ψ₀₁ψ₁₀: it vanishes for a product. */
const minor = ([a, b, c, d]) => a * d - b * c;
export const isProduct = (state) => Math.abs(minor(state)) < 1e-9;

/** Entropy in bits of one qubit alone: of the eigenvalues of its density matrix. */
export function entropy(state) {
  const product = minor(state) ** 2; // of the two eigenvalues; their sum is 1
  const large = (1 + Math.sqrt(Math.max(0, 1 - 4 * product))) / 2;
  return [large, product / large].reduce((sum, p) => sum - (p > 0 ? p * Math.log2(p) : 0), 0);
}

/** How often each outcome is drawn in so many measurements: the same for the same seed. */
export function measure(probabilities, seed, shots) {
  const uniform = randomNumbers(seed);
  const counts = probabilities.map(() => 0);
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  for (let shot = 0; shot < shots; shot++) {
    let left = uniform();
    const outcome = probabilities.findIndex((probability) => (left -= probability) < 0);
    // Rounded probabilities may add up to a little less than 1.
    counts[outcome < 0 ? likeliest : outcome] += 1;
  }
  return counts;
}

/** Radians in degrees, also as a multiple of π where that says more: 90° = π/2. */
export function written(radians) {
  const degrees = Math.round((1800 * radians) / Math.PI) / 10;
  if (!degrees) return "0°";
  const below = [1, 2, 3, 4, 6, 8, 12].find((number) => (degrees * number) % 180 === 0);
  if (!below) return `${short(degrees)}° ≈ ${fixed(degrees / 180, 2)}π`;
  const above = `${short((degrees * below) / 180)}π`.replace(/^(−?)1π/, "$1π");
  return `${short(degrees)}° = ${above}${below > 1 ? `/${below}` : ""}`;
}
const inDegrees = (radians) => written(radians).split(" ")[0];

const STYLE = `
.vq-two, .vq-two .vq-pair { display: flex; flex-wrap: wrap; }
.vq-two { gap: .9rem 2rem; }
.vq-two > div { flex: 1 1 290px; min-width: 0; }
.vq-two .vq-pair { gap: 0 1.2rem; }
.vq-two .vq-pair > div { flex: 1 1 130px; }
.vq-two .vq-pair label { margin-top: .4rem; }
.vq-two p { margin: .6rem 0 .2rem; }
.vq-two > div > p:first-child { margin-top: 0; }
.vq-two fieldset label { display: inline-block; margin: .1rem 1.1rem 0 0; }
.vq-two fieldset p { font-size: .9em; margin: .1rem 0 0; }
.vq-two .vq-buttons { display: grid; grid-template-columns: 1fr 1fr; gap: .35rem; }
.vq-two svg + .vq-buttons { margin-top: .5rem; }
.vq-two > .vq-readout { flex: 1 1 100%; gap: .4rem 2rem; font-variant-numeric: tabular-nums; }
.vq-two .vq-readout > div { flex: 1 1 260px; min-width: 0; }
.vq-two .vq-readout p { margin: .15rem 0; }
.vq-two .vq-readout svg { margin: .3rem 0; }
.vq-two .vq-conclusion { font-weight: 600; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const [circuit, amplitudeBars, probabilityBars] =
    Array.from({ length: 3 }, () => shape("svg", { role: "img" }));
  const entropyBar = shape("svg", { "aria-hidden": true }); // its number stands above it
  const [does, measured] = [element("p"), element("p", { "aria-live": "polite" })];
  const lines = Array.from({ length: 5 }, () => element("p"));
  const verdict = element("p", { class: "vq-conclusion" });
  const sliders = ["t₀", "t₁", "t₂", "t₃"].map((name, i) => {
    const { input, label } = slider("", -180, 180, STEP);
    const said = element("span");
    label.prepend(said);
    input.addEventListener("input", () =>
      change({ angles: model.get("angles").with(i, (+input.value * Math.PI) / 180) }));
    return { name, input, label, said };
  });
  const choices = radios(Object.keys(ENTANGLERS).map((name) => [name, words[name]]),
    (entangler) => change({ entangler }));
  const [first, second] = [sliders.slice(0, 2), sliders.slice(2)].map((column) =>
    element("div", {}, ...column.map(({ label }) => label)));
  const root = frame("vq-two", model.get("alt"),
    element("div", {}, circuit,
      element("div", { class: "vq-pair" }, first, second),
      element("fieldset", {},
        element("legend", {}, words.legend), ...choices.map(({ label }) => label), does),
      element("p", {}, words.presets),
      element("div", { class: "vq-buttons" },
        ...Object.entries(PRESETS).map(([name, preset]) => button(words[name], () => change(preset))))),
    element("div", {}, element("p", {}, words.amplitudes), amplitudeBars,
      element("p", {}, words.probabilities), probabilityBars,
      element("div", { class: "vq-buttons" }, button(words.measure, shoot)), measured),
    element("div", { class: "vq-pair vq-readout", "aria-live": "polite" },
      element("div", {}, ...lines.slice(0, 4)),
      element("div", {}, lines[4], entropyBar, verdict)));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);
  const colour = (name) => COLOURS[name][+isDark(root)];

  /** Give a drawing the width of its place and this height. */
  function size(drawing, height) {
    const width = drawing.getBoundingClientRect().width || 300;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.setAttribute("height", height);
    return width;
  }
  const text = (x, y, said, anchor = "middle", size = 13) =>
    shape("text", { x, y, "text-anchor": anchor, "font-size": size }, said);

  /** The dot, cross or dots of the entangling gate at x, between the wires at y0 and y1. */
  function drawEntangler(entangler, x, [y0, y1]) {
    if (entangler === "none") return [];
    const dot = (cy) => shape("circle", { cx: x, cy, r: 5, fill: colour("purple"), stroke: "none" });
    const cross = shape("path", { d: `M${x - 10} ${y1}a10 10 0 1 0 20 0a10 10 0 1 0 -20 0h20M${x} ${y1 - 10}v20` });
    const end = entangler === "CNOT" ? cross : dot(y1);
    return [shape("g", { stroke: colour("purple"), "stroke-width": 2, fill: "none" },
      shape("path", { d: `M${x} ${y0}V${y1}` }), dot(y0), end)];
  }

  function drawCircuit(angles, entangler) {
    const width = size(circuit, 112);
    const rows = [28, 86];
    const [start, end] = [26, width - 36];
    const places = [0.24, 0.52, 0.8].map((part) => start + part * (end - start));
    const paper = { fill: "var(--vq-paper, var(--jp-layout-color0, Canvas))", "stroke-width": 1.5 };
    const gate = (i) => {
      const [x, y] = [places[i < 2 ? 0 : 2], rows[i % 2]];
      return [shape("rect", { x: x - 31, y: y - 20, width: 62, height: 40, rx: 4, ...paper, stroke: colour("blue") }),
        text(x, y - 3, `RY(${sliders[i].name})`), text(x, y + 13, inDegrees(angles[i]))];
    };
    const meter = (y) => [
      shape("rect", { x: end, y: y - 15, width: 34, height: 30, rx: 4, ...paper, stroke: "currentColor" }),
      shape("path", { d: `M${end + 7} ${y + 8}a10 10 0 0 1 20 0M${end + 17} ${y + 8}l7 -15`,
        fill: "none", stroke: "currentColor", "stroke-width": 1.5 })];
    circuit.replaceChildren(
      ...rows.map((y) => shape("path", { d: `M${start} ${y}H${end}`, stroke: "currentColor" })),
      ...rows.flatMap((y, i) => [text(0, y + 5, "|0⟩", "start"),
        text(0, y - 12, fill(words.qubit, { number: i }), "start", 11)]),
      ...angles.flatMap((_, i) => gate(i)), ...drawEntangler(entangler, places[1], rows),
      ...rows.flatMap(meter));
    const named = Object.fromEntries(angles.map((angle, i) => [`t${i}`, inDegrees(angle)]));
    circuit.setAttribute("aria-label", fill(words.circuit, { ...named, entangler: words[entangler] }));
  }

  /** A bar for each basis state, from 0 to its value; `shares` are thin bars below them. */
  function drawBars(drawing, name, values, marks, shares) {
    const width = size(drawing, 122);
    const [left, right] = [42, width - (shares ? 92 : 58)];
    const x = (value) => left + ((right - left) * (value - marks[0])) / (1 - marks[0]);
    const bar = (value, y, height, look) => shape("rect", { y, height, ...look,
      x: x(Math.min(0, value)), width: Math.abs(x(value) - x(0)) });
    const row = (value, i) => [text(0, 25 * i + 17, STATES[i], "start"),
      bar(value, 25 * i + 4, shares ? 11 : 17, { fill: colour(value < 0 ? "orange" : "blue") }),
      text(right + 54, 25 * i + 17, fixed(value, 3), "end"),
      ...(shares ? [bar(shares[i], 25 * i + 16, 5, { fill: "none", stroke: "currentColor" }),
        text(width, 25 * i + 17, Math.round(SHOTS * shares[i]), "end")] : [])];
    drawing.replaceChildren(
      ...marks.flatMap((mark) => [
        shape("path", { d: `M${x(mark)} 0V104`, stroke: "currentColor", "stroke-opacity": mark ? 0.25 : 0.7 }),
        text(x(mark), 118, short(mark), "middle", 11)]),
      ...values.flatMap(row));
    drawing.setAttribute("aria-label", `${name} ${listed(values.map((value) => fixed(value, 3)))}`);
  }
  const listed = (values) => STATES.map((state, i) => `${state} ${values[i]}`).join(", ");

  function drawEntropy(bits) {
    const width = size(entropyBar, 36);
    const [left, right] = [1, width - 8];
    const box = (high, look) =>
      shape("rect", { x: left, y: 1, height: 16, width: (right - left) * clip(high, 0, 1), ...look });
    entropyBar.replaceChildren(box(bits, { fill: colour("purple") }),
      box(1, { fill: "none", stroke: "currentColor", "stroke-opacity": 0.5 }),
      text(left, 32, "0", "start"), text((left + right) / 2, 32, "½"), text(right, 32, "1", "end"));
  }

  function describe(state) {
    const { ones, single, both, correlation } = expectations(state);
    const numbered = (i) => ({ number: i, index: "₀₁"[i] });
    return [...[0, 1].map((i) => fill(words.single, {
      ...numbered(i), probability: fixed(ones[i], 3), expectation: fixed(single[i], 3) })),
      fill(words.both, { expectation: fixed(both, 3) }),
      fill(words.correlation, { correlation: fixed(correlation, 3) }),
      fill(words.entropy, { entropy: fixed(entropy(state), 3) })];
  }

  /** A text that changes; what stays is not read out again. */
  function say(node, said) {
    if (node.textContent !== said) node.textContent = said;
  }

  function draw() {
    const [angles, entangler, counts] = ["angles", "entangler", "counts"].map((name) => model.get(name));
    const state = amplitudes(angles, entangler);
    drawCircuit(angles, entangler);
    sliders.forEach(({ name, input, said }, i) => {
      input.value = (180 * angles[i]) / Math.PI;
      said.textContent = `${name}: ${written(angles[i])}`;
      input.setAttribute("aria-valuetext", written(angles[i]));
    });
    for (const { input } of choices) input.checked = input.value === entangler;
    does.textContent = words[`${entangler}Does`];
    drawBars(amplitudeBars, words.amplitudes, state, [-1, 0, 1]);
    drawBars(probabilityBars, words.probabilities, state.map((value) => value ** 2), [0, 1],
      counts.length && counts.map((count) => count / SHOTS));
    measured.textContent = counts.length
      ? fill(words.measured, { seed: model.get("seed") - 1, list: listed(counts) }) : "";
    describe(state).forEach((line, i) => say(lines[i], line));
    say(verdict, isProduct(state) ? words.isProduct : words.isEntangled);
    drawEntropy(entropy(state));
  }

  function change(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  /** Another circuit: what was measured before is no outcome of it. */
  function forget() {
    if (model.get("counts").length) change({ counts: [] });
    draw();
  }

  function shoot() {
    const [angles, entangler, seed] = ["angles", "entangler", "seed"].map((name) => model.get(name));
    const probabilities = amplitudes(angles, entangler).map((value) => value ** 2);
    change({ seed: seed + 1, counts: measure(probabilities, seed, SHOTS) });
  }

  const events = { "change:angles": forget, "change:entangler": forget, "change:counts": draw };
  Object.entries(events).forEach((pair) => model.on(...pair));
  draw();
  const stops = [onTheme(draw), onWidth(root, draw)];
  return () => {
    stops.forEach((stop) => stop());
    Object.entries(events).forEach((pair) => model.off(...pair));
  };
}

export default { render };
