// needs: simulator
// Angles in, Fourier series out. A small circuit is run along one latent coordinate; the curve of a
// feature and its spectrum are drawn.

/** Feature k at `count` equally spaced values of coordinate j, through one period from −π/|a|. */
export function sample(circuit, weights, j, k, count) {
  const half = Math.PI / Math.abs(circuit.scale);
  return Array.from({ length: count }, (_, i) =>
    feature(circuit, weights, circuit.z.with(j, half * ((2 * i) / count - 1)), k));
}

/** Magnitudes |c_0|, |c_1|, … of the Fourier coefficients, as far as the samples tell them apart. */
export function spectrum(samples) {
  const count = samples.length;
  return Array.from({ length: Math.floor(count / 2) + 1 }, (_, k) => {
    const sum = (wave) => samples.reduce(
      (total, value, i) => total + value * wave((2 * Math.PI * ((k * i) % count)) / count), 0);
    return Math.hypot(sum(Math.cos), sum(Math.sin)) / count;
  });
}

/** Angles for weights like these, from −π to π in steps of π/100: the same for the same seed. */
export function randomAngles(weights, seed) {
  const uniform = randomNumbers(seed);
  return every(weights, () => (Math.PI * Math.round(200 * uniform() - 100)) / 100);
}
const every = (weights, angle) => weights.map((layer) => layer.map((gate) => gate.map(angle)));

const SAMPLES = 128; // of the drawn curve, and of its spectrum
const BEFORE = { fill: "none", stroke: "currentColor", "stroke-width": 1.4, "stroke-dasharray": "5 4" };

const STYLE = `
.vq-fourier { display: flex; flex-wrap: wrap; gap: 1.2rem 1.8rem; }
.vq-fourier .vq-plots { flex: 1.7 1 280px; min-width: 0; }
.vq-fourier .vq-controls { flex: 1 1 220px; min-width: 0; }
.vq-fourier fieldset { margin: 0 0 .9rem; }
.vq-fourier legend { font-weight: 600; }
.vq-fourier fieldset label { margin-top: .5rem; }
.vq-fourier .vq-row { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
.vq-fourier .vq-row label { margin-top: .3rem; }
.vq-fourier .vq-plots p:not(:first-child) { margin-top: .7rem; }
.vq-fourier .vq-plots p:first-child { margin-top: 0; }
.vq-fourier .vq-halo { font-size: 12px; font-weight: 400; }
.vq-fourier .vq-value { float: right; margin-left: .6rem; }
.vq-fourier :is(.vq-value, .vq-readout) { font-variant-numeric: tabular-nums; }
.vq-fourier select { font: inherit; color: inherit; padding: .2rem .5rem; min-height: 28px;
  background: var(--vq-paper, var(--jp-layout-color0, Canvas)); border: 1px solid; border-radius: 5px; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const circuits = model.get("circuits");
  const [j, k] = [model.get("coordinate"), model.get("feature")];
  const coordinate = `z${subscript(j)}`;
  const drawings = [0, 1].map(() => shape("svg", { role: "img" }));
  const [caption, spectrumName] = [element("p"), element("p", {}, words.spectrum)];
  const readout = element("p", { class: "vq-readout", "aria-live": "polite" });
  const choices = radios(circuits.map(({ title }, i) => [i, title]), (chosen) => choose({ chosen }));
  const [layers, qubits] = [["layer", words.layer], ["qubit", words.qubit]].map(([name, text]) => {
    const input = element("select");
    input.addEventListener("change", () => choose({ [name]: input.selectedIndex }));
    return { input, label: element("label", {}, `${text} `, input) };
  });
  const sliders = [words.phi, words.theta, words.omega].map((name, i) => {
    // What a slider is worth stands beside its name, and is no part of it.
    const value = element("span", { class: "vq-value", "aria-hidden": true });
    const { input, label } = slider(element("span", {}, name, value), -1, 1, 0.01);
    input.addEventListener("pointerdown", () => (turned = null));
    input.addEventListener("input", () => turn(i, Math.PI * input.value));
    return { input, label, value };
  });
  const [random, zero] = [words.random, words.zero].map((text) => element("button", { type: "button" }, text));
  const part = (name, ...children) => element("fieldset", {}, element("legend", {}, name), ...children);
  const row = (...children) => element("div", { class: "vq-row" }, ...children);
  const root = frame("vq-fourier", model.get("alt"),
    element("div", { class: "vq-plots" }, caption, drawings[0], spectrumName, drawings[1]),
    element("div", { class: "vq-controls" },
      ...(circuits.length > 1 ? [part(words.circuit, row(...choices.map(({ label }) => label)))] : []),
      part(words.gate, row(layers.label, qubits.label), ...sliders.map(({ label }) => label)),
      row(random, zero), readout));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  let shown = null; // what is drawn: samples of the curve, and its magnitudes
  let before = null; // what is drawn dashed: the same before the last change
  let turned = null; // the angle that changed last: while it turns, the dashed curve stays

  const place = () => {
    const weights = model.get("weights")[model.get("chosen")];
    const layer = Math.min(model.get("layer"), weights.length - 1);
    return { weights, layer, qubit: Math.min(model.get("qubit"), weights[layer].length - 1) };
  };

  function drawCurve({ scale }, dark) {
    const half = Math.PI / Math.abs(scale);
    const { x, y } = axes(drawings[0], {
      height: 190, top: 24, xRange: [-half, half], yRange: [-1, 1], xTicks: [], yTicks: [-1, -0.5, 0, 0.5, 1],
      xName: coordinate,
    });
    const end = Math.abs(scale) === 1 ? "π" : scale > 0 ? "π/a" : "π/|a|";
    const marks = [-1, -0.5, 0, 0.5, 1].map((part) => `M${x(part * half)} ${y(-1)}v4`).join("");
    const number = (x, anchor, said) => shape("text", { x, y: y(-1) + 17, "text-anchor": anchor }, said);
    drawings[0].append(shape("path", { d: marks, stroke: "currentColor", opacity: 0.7 }),
      number(x(-half), "middle", `−${end}`), number(x(0), "middle", "0"),
      number(x(half) + 4, "end", end)); // the axis' name is near
    const at = (value, i) => [x(half * ((2 * i) / SAMPLES - 1)), y(value)];
    // A period: the curve ends where it began.
    const line = (samples, attributes) =>
      shape("path", { ...attributes, fill: "none", d: path([...samples, samples[0]].map(at)) });
    if (before) {
      // Its key stands in the drawing: a line of text below it would push the sliders down.
      drawings[0].append(line(before.samples, { ...BEFORE, class: "vq-before" }),
        shape("path", { ...BEFORE, d: `M${x(-half)} 11h26` }),
        shape("text", { x: x(-half) + 32, y: 15 }, words.before));
    }
    drawings[0].append(
      line(shown.samples, { class: "vq-curve", stroke: COLOURS.blue[+dark], "stroke-width": 2.4 }));
  }

  function sayCurve(circuit) {
    const { scale, z } = circuit;
    const others = z.filter((_, i) => i !== j).map(short);
    const said = [fill(words.curve, { feature: featureName(circuit, k), coordinate })];
    if (Math.abs(scale) !== 1) said.push(fill(words.scale, { scale: short(Math.abs(scale)) }));
    if (others.length) said.push(fill(words.others, { others: [...new Set(others)].join(", ") }));
    caption.textContent = said.join(" ");
    const [low, high] = [Math.min, Math.max].map((extreme) => fixed(extreme(...shown.samples), 3));
    drawings[0].setAttribute("aria-label", `${caption.textContent} ${fill(words.range, { low, high })}`);
  }

  function drawSpectrum({ degree }, dark) {
    const last = degree + Math.max(2, Math.ceil(degree / 3)); // leaves room for what is said there
    const bars = shown.magnitudes.slice(0, last + 1);
    const high = Math.max(...bars, ...(before?.magnitudes ?? [])) > 0.5 ? 1 : 0.5;
    const { x, y } = axes(drawings[1], {
      height: 150, top: 16, xRange: [-0.5, last + 0.5], yRange: [0, high], xTicks: [...bars.keys()],
      yTicks: ticks(0, high, 4), xName: "k",
    });
    const step = x(1) - x(0);
    const text = (x, y, anchor, said) => shape("text", { class: "vq-halo", x, y, "text-anchor": anchor }, said);
    bars.slice(0, degree + 1).forEach((value, i) => {
      drawings[1].append(shape("rect", { class: "vq-bar", fill: COLOURS.blue[+dark],
        x: x(i) - step / 4, width: step / 2, y: y(value), height: y(0) - y(value) }));
      const level = y(before ? before.magnitudes[i] : 0);
      if (before) {
        drawings[1].append(shape("path", { ...BEFORE, "stroke-dasharray": "3 2", class: "vq-before",
          d: `M${x(i) - 0.42 * step} ${level}h${0.84 * step}` }));
      }
      // Dashes beside a number would look like minus signs: it stands above them.
      const top = y(value) - level < 16 ? Math.min(level, y(value)) : y(value);
      if (step > 29) drawings[1].append(text(x(i), top - 4, "middle", fixed(value, 2)));
    });
    const border = x(degree + 0.5);
    const lines = fill(words.beyond, { degree }).split("\n");
    drawings[1].append(
      shape("path", { d: `M${border} ${y(high)}V${y(0)}`, stroke: "currentColor", "stroke-dasharray": "2 3" }),
      ...lines.map((line, i) => text(border + 6, y(high) + 10 + 15 * i, "start", line)));
    drawings[1].setAttribute("aria-label", `${words.spectrum} ${bars
      .map((value, i) => `|c${subscript(i)}| = ${fixed(value, 3)}`).join(", ")}`);
  }

  function drawControls(circuit) {
    const { weights, layer, qubit } = place();
    const offer = ({ input }, texts, index) => {
      if ([...input.options].map(({ text }) => text).join() !== texts.join()) {
        input.replaceChildren(...texts.map((text) => element("option", {}, text)));
      }
      input.selectedIndex = index;
    };
    const inSpace = (i) => fill(words.space, { number: i + 1 });
    const inDecoder = (i) => fill(words.decoder, { number: i + 1 - circuit.space });
    offer(layers, weights.map((_, i) => (i < circuit.space ? inSpace : inDecoder)(i)), layer);
    offer(qubits, weights[layer].map((_, i) => String(i)), qubit);
    choices.forEach(({ input }, i) => (input.checked = i === model.get("chosen")));
    sliders.forEach(({ input, value }, i) => {
      const angle = weights[layer][qubit][i];
      input.value = angle / Math.PI;
      value.textContent = fill(words.angle, { part: fixed(angle / Math.PI, 2), radians: fixed(angle, 2) });
      input.setAttribute("aria-valuetext", value.textContent);
    });
  }

  function drawAll() {
    const circuit = circuits[model.get("chosen")];
    const { degree } = circuit;
    const samples = sample(circuit, place().weights, j, k, SAMPLES);
    shown = { samples, magnitudes: spectrum(samples) };
    const dark = isDark(root);
    drawCurve(circuit, dark);
    sayCurve(circuit);
    drawSpectrum(circuit, dark);
    drawControls(circuit);
    const beyond = fixed(Math.max(...shown.magnitudes.slice(degree + 1)), 3);
    const said = `${fill(words.degree, { degree, count: 2 * degree + 1 })} ${fill(words.largest, { beyond })}`;
    if (readout.textContent !== said) readout.textContent = said; // not read out while nothing changes
  }

  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }
  const setWeights = (weights, values = {}) =>
    set({ ...values, weights: model.get("weights").with(model.get("chosen"), weights) });

  /** Another circuit has another curve; another gate keeps it. */
  function choose(values) {
    turned = null;
    if ("chosen" in values) before = null;
    set(values);
  }
  function turn(i, angle) {
    const { weights, layer, qubit } = place();
    if (turned !== i) before = shown;
    turned = i;
    const gate = weights[layer][qubit].with(i, angle);
    setWeights(weights.with(layer, weights[layer].with(qubit, gate)));
  }
  function press(weights, values) {
    [before, turned] = [shown, null];
    setWeights(weights, values);
  }
  random.addEventListener("click", () => {
    const seed = model.get("seed") + 1;
    press(randomAngles(place().weights, seed), { seed });
  });
  zero.addEventListener("click", () => press(every(place().weights, () => 0)));
  // JupyterLab's shortcuts are letters, Space and Enter: here they choose and press.
  root.addEventListener("keydown", (event) => {
    const shortcut = event.ctrlKey || event.metaKey || event.altKey;
    if (!shortcut && event.target.matches("select, button")) event.stopPropagation();
  });

  const events = ["change:weights", "change:chosen", "change:layer", "change:qubit"];
  events.forEach((event) => model.on(event, drawAll));
  drawAll();
  const stops = [onTheme(drawAll), onWidth(root, drawAll)];
  return () => {
    stops.forEach((stop) => stop());
    events.forEach((event) => model.off(event, drawAll));
  };
}

export default { render };
