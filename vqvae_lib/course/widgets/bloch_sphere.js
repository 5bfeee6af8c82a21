// needs: sphere
// One qubit on the Bloch sphere. Every gate is a turn about an axis: the arrow turns by the gate's
// angle, the two amplitudes by half of it.

const LIMIT = 24; // gates
const [LOW, HIGH, STEP] = [-180, 180, 5]; // of the slider, in degrees
const PATHS = 3; // of so many last gates the paths are drawn

/** The axis that each gate turns about, and by how much; without degrees, the slider says it. */
const GATES = {
  H: { axis: [Math.SQRT1_2, 0, Math.SQRT1_2], degrees: 180 },
  X: { axis: X, degrees: 180 }, Y: { axis: Y, degrees: 180 }, Z: { axis: Z, degrees: 180 },
  S: { axis: Z, degrees: 90 }, T: { axis: Z, degrees: 45 },
  RX: { axis: X }, RY: { axis: Y }, RZ: { axis: Z },
};

/** The angle of a gate in radians. */
const radiansOf = ([name, angle]) => ((GATES[name].degrees ?? angle) * Math.PI) / 180;

/** exp(−i t/2 (x X + y Y + z Z)) on the state with amplitudes a + ib of |0⟩ and c + id of |1⟩. */
export function rotate([a, b, c, d], [x, y, z], t) {
  const [cos, sin] = [Math.cos(t / 2), Math.sin(t / 2)];
  return [
    cos * a + sin * (z * b + x * d - y * c),
    cos * b - sin * (z * a + x * c + y * d),
    cos * c + sin * (x * b + y * a - z * d),
    cos * d - sin * (x * a - y * b - z * c),
  ];
}

/** A state times exp(i t). */
function shiftPhase([a, b, c, d], t) {
  const [cos, sin] = [Math.cos(t), Math.sin(t)];
  return [cos * a - sin * b, cos * b + sin * a, cos * c - sin * d, cos * d + sin * c];
}

/** The state behind a gate. */
export function apply(state, gate) {
  const { axis, degrees } = GATES[gate[0]];
  const t = radiansOf(gate);
  const turned = rotate(state, axis, t);
  // A fixed gate has a phase besides, of half its angle: S = diag(1, i) = exp(iπ/4) RZ(π/2).
  return degrees ? shiftPhase(turned, t / 2) : turned;
}

/** The states before, between and behind the gates. */
export const states = (gates) =>
  gates.reduce((found, gate) => [...found, apply(found.at(-1), gate)], [[1, 0, 0, 0]]);

/** What the gates make of |0⟩: [re, im] of the amplitude of |0⟩, then of |1⟩. */
export const run = (gates) => states(gates).at(-1);

/** The Bloch vector (⟨X⟩, ⟨Y⟩, ⟨Z⟩) of a state. */
export const bloch = ([a, b, c, d]) =>
  [2 * (a * c + b * d), 2 * (a * d - b * c), a * a + b * b - c * c - d * d];

/** Degrees, also as a multiple of π where that says more: 90° = π/2. */
export function written(degrees) {
  if (!degrees) return "0°";
  const below = [1, 2, 3, 4, 6, 8, 12].find((number) => (degrees * number) % 180 === 0);
  if (!below) return `${short(degrees)}° ≈ ${fixed(degrees / 180, 3)}π`;
  const above = `${short((degrees * below) / 180)}π`.replace(/^(−?)1π/, "$1π");
  return `${short(degrees)}° = ${above}${below > 1 ? `/${below}` : ""}`;
}

/** a + ib as people write it. */
function complex(a, b) {
  const imaginary = fixed(b, 3);
  return `${fixed(a, 3)} ${imaginary.startsWith("−") ? "−" : "+"} ${imaginary.replace("−", "")}i`;
}

const nameOf = ([name, angle]) => (GATES[name].degrees ? name : `${name}(${short(angle)}°)`);

// The ends of the axes and their names: those that matter more come first.
const ENDS = [["z", "|0⟩", Z, 1], ["", "|1⟩", Z, -1], ["x", "|+⟩", X, 1], ["y", "|+i⟩", Y, 1],
  ["", "|−⟩", X, -1], ["", "|−i⟩", Y, -1]];
const ROOM = { most: 118, beside: 38, above: 34 };

const STYLE = `
.vq-bloch { display: flex; flex-wrap: wrap; gap: .8rem 1.8rem; }
.vq-bloch .vq-view { flex: 1 1 270px; min-width: 0; max-width: 340px; margin: 0 auto; }
.vq-bloch .vq-panel { flex: 1.15 1 280px; min-width: 0; }
.vq-bloch .vq-sphere { cursor: grab; touch-action: pan-y; }
.vq-bloch .vq-view p { font-size: .8em; text-align: center; }
.vq-bloch .vq-panel > p { margin: 0 0 .4rem; }
.vq-bloch .vq-gates { display: grid; gap: .35rem; grid-template-columns: repeat(6, 1fr); }
.vq-bloch .vq-turns { grid-template-columns: repeat(3, 1fr); }
.vq-bloch button { padding: 0; }
.vq-bloch .vq-back { display: flex; gap: .35rem; margin-top: .35rem; }
.vq-bloch .vq-back button { flex: 1; font-size: .8em; min-height: 1.7rem; border-style: dotted; }
.vq-bloch .vq-readout { margin: .8rem 0 .7rem; font-variant-numeric: tabular-nums; }
.vq-bloch .vq-readout p { margin: .15rem 0; }
.vq-bloch .vq-readout p:first-child { font-weight: 600; overflow-wrap: anywhere; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const sphere = shape("svg", {
    class: "vq-sphere", tabindex: 0, role: "application", "aria-label": words.sphere,
  });
  const bars = shape("svg", { role: "img" });
  const lines = Array.from({ length: 5 }, () => element("p"));
  const angle = slider("", LOW, HIGH, STEP);
  const angleName = element("span");
  angle.label.prepend(angleName);
  const buttons = Object.keys(GATES).map((name) => button(name, () => push(name)));
  const root = frame("vq-bloch", model.get("alt"),
    element("div", { class: "vq-view" }, sphere, element("p", {}, words.note)),
    element("div", { class: "vq-panel" },
      element("p", {}, words.press),
      element("div", { class: "vq-gates" }, ...buttons.slice(0, 6)),
      angle.label,
      element("div", { class: "vq-gates vq-turns" }, ...buttons.slice(6)),
      element("div", { class: "vq-back" },
        button(words.undo, () => change({ gates: model.get("gates").slice(0, -1) })),
        button(words.reset, () => change({ gates: [] }))),
      element("div", { class: "vq-readout", "aria-live": "polite" }, ...lines), bars));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  const view = { azimuth: 32, elevation: 18 }; // degrees; each view of a figure has its own
  let held = null; // where a pointer was last
  let refused = false; // the last press: there are too many gates
  const colour = (name) => COLOURS[name][+isDark(root)];

  /** The path of a gate from the state before it, where a ring stands. Older paths are fainter. */
  function drawPath({ seen, line }, gate, before, age) {
    const points = Array.from({ length: 49 }, (_, i) =>
      bloch(rotate(before, GATES[gate[0]].axis, (radiansOf(gate) * i) / 48)));
    const [cx, cy] = seen(points[0]);
    const ink = { stroke: colour("orange"), opacity: [1, 0.6, 0.35][age] };
    return [line(points, { ...ink, "stroke-width": age ? 2 : 3 }),
      shape("circle", { cx, cy, r: 3.5, fill: "none", ...ink, "stroke-width": 1.5 })];
  }

  function drawSphere() {
    const gates = model.get("gates");
    const passed = states(gates);
    const pen = pencil(sphere, view, ROOM);
    const first = Math.max(0, gates.length - PATHS);
    const paths = gates.slice(first).flatMap((gate, i, { length }) =>
      drawPath(pen, gate, passed[first + i], length - 1 - i));
    const axes = gates.slice(-1).map(([name]) =>
      pen.line(straight(GATES[name].axis, 1), { stroke: colour("purple"), "stroke-width": 2.5 }));
    sphere.replaceChildren(...drawBall(pen), ...axes, ...paths,
      ...drawArrow(pen, bloch(passed.at(-1)), colour("blue")),
      ...drawNames(pen, ENDS, { out: [20, 13], apart: [42, 17] }));
  }

  /** The two probabilities, as bars with numbers. */
  function drawBars(probabilities) {
    const width = bars.getBoundingClientRect().width || 320;
    const [left, right] = [118, width - 44];
    bars.setAttribute("viewBox", `0 0 ${width} 50`);
    bars.setAttribute("height", 50);
    const rows = [words.zero, words.one].map((name, i) => [name, probabilities[i], 26 * i + 3]);
    bars.replaceChildren(...rows.flatMap(([name, value, y]) => {
      const box = (high, look) =>
        shape("rect", { x: left, y, height: 18, width: (right - left) * clip(high, 0, 1), ...look });
      const text = (x, said) => shape("text", { x, y: y + 13.5, "font-size": 13 }, said);
      return [text(0, name), text(right + 8, fixed(value, 3)), box(value, { fill: colour("blue") }),
        box(1, { fill: "none", stroke: "currentColor", "stroke-opacity": 0.5 })];
    }));
    const said = rows.map(([name, value]) => `${name} ${fixed(value, 3)}`);
    bars.setAttribute("aria-label", said.join(", "));
  }

  const describe = (name, degrees) => fill(words[name], { angle: `${short(degrees)}°` });

  /** What the last press did. */
  function story(gates, before) {
    if (refused) return fill(words.full, { count: LIMIT });
    if (!gates.length) return words.start;
    const [name, degrees] = gates.at(-1);
    const along = bloch(before).reduce((sum, value, i) => sum + value * GATES[name].axis[i], 0);
    return describe(name, degrees) + (Math.abs(along) > 1 - 1e-9 ? ` ${words.stays}` : "");
  }

  function draw() {
    const [gates, degrees] = [model.get("gates"), model.get("angle")];
    const passed = states(gates);
    const [a, b, c, d] = passed.at(-1);
    const [x, y, z] = bloch(passed.at(-1)).map((value) => fixed(value, 3));
    drawSphere();
    drawBars([a * a + b * b, c * c + d * d]);
    const texts = [["|0⟩", ...gates.map(nameOf)].join(" → "), story(gates, passed.at(-2)),
      fill(words.alpha, { alpha: complex(a, b) }), fill(words.beta, { beta: complex(c, d) }),
      fill(words.vector, { x, y, z })];
    texts.forEach((text, i) => {
      if (lines[i].textContent !== text) lines[i].textContent = text; // what stays is not read out again
    });

    angle.input.value = degrees;
    angle.input.setAttribute("aria-valuetext", written(degrees));
    angleName.textContent = fill(words.angle, { angle: written(degrees) });
    Object.keys(GATES).forEach((name, i) => {
      buttons[i].textContent = nameOf([name, degrees]);
      buttons[i].title = describe(name, degrees);
    });
  }

  function change(values) {
    refused = false;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }

  function push(name) {
    const gates = model.get("gates");
    const gate = [name, GATES[name].degrees ? 0 : model.get("angle")];
    if (gates.length < LIMIT) return change({ gates: [...gates, gate] });
    refused = true;
    draw();
  }

  function look(right, up) {
    view.azimuth += right;
    view.elevation = clip(view.elevation + up, -90, 90);
    drawSphere();
  }

  angle.input.addEventListener("input", () => change({ angle: +angle.input.value }));
  sphere.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 15 : 5;
    const direction = arrow(event);
    if (direction) look(step * direction[0], step * direction[1]);
  });
  sphere.addEventListener("pointerdown", (event) => {
    sphere.setPointerCapture(event.pointerId);
    held = [event.clientX, event.clientY];
  });
  sphere.addEventListener("pointermove", (event) => {
    if (!held || !(event.buttons & 1)) return;
    // The near side of the sphere goes with the pointer.
    look((held[0] - event.clientX) / 2, (event.clientY - held[1]) / 2);
    held = [event.clientX, event.clientY];
  });
  const events = ["change:gates", "change:angle"];
  events.forEach((event) => model.on(event, draw));
  draw();
  const stops = [onTheme(draw), onWidth(root, draw)];
  return () => {
    stops.forEach((stop) => stop());
    events.forEach((event) => model.off(event, draw));
  };
}

export default { render };
