// A small circuit, run gate by gate. The list of its operations comes from the library: this text knows
// the gates, and no rule of where they stand.

/** Rotations by an angle t, from c = cos(t/2) and s = sin(t/2): four entries [re, im], row by row. */
const ROTATIONS = {
  RX: (c, s) => [[c, 0], [0, -s], [0, -s], [c, 0]],
  RY: (c, s) => [[c, 0], [-s, 0], [s, 0], [c, 0]],
  RZ: (c, s) => [[c, -s], [0, 0], [0, 0], [c, s]],
};
const ROT = ["RZ", "RY", "RZ"]; // in the order in which they act, by φ, θ, ω

/** The bit of a basis state's number that belongs to a qubit: qubit 0 is the first digit. */
const bitOf = (state, qubit) => state.re.length >> (qubit + 1);

function rotate({ re, im }, axis, angle, bit) {
  const [a, b, c, d] = ROTATIONS[axis](Math.cos(angle / 2), Math.sin(angle / 2));
  for (let i = 0; i < re.length; i++) {
    if (i & bit) continue;
    const j = i | bit;
    const [x, y, u, v] = [re[i], im[i], re[j], im[j]];
    re[i] = a[0] * x - a[1] * y + b[0] * u - b[1] * v;
    im[i] = a[0] * y + a[1] * x + b[0] * v + b[1] * u;
    re[j] = c[0] * x - c[1] * y + d[0] * u - d[1] * v;
    im[j] = c[0] * y + c[1] * x + d[0] * v + d[1] * u;
  }
}

function entangle({ re, im }, gate, control, target) {
  for (let i = 0; i < re.length; i++) {
    if (!(i & control) || !(i & target)) continue;
    if (gate === "CZ") [re[i], im[i]] = [-re[i], -im[i]];
    else for (const part of [re, im]) [part[i], part[i ^ target]] = [part[i ^ target], part[i]];
  }
}

/** What the amplitudes a + ib and c + id of two states that differ in one qubit add to its value. */
const OBSERVABLES = {
  X: (a, b, c, d) => 2 * (a * c + b * d),
  Y: (a, b, c, d) => 2 * (a * d - b * c),
  Z: (a, b, c, d) => a * a + b * b - c * c - d * d,
};

function expectation({ re, im }, observable, bit) {
  let sum = 0;
  for (let i = 0; i < re.length; i++) {
    const j = i | bit;
    if (i !== j) sum += OBSERVABLES[observable](re[i], im[i], re[j], im[j]);
  }
  return sum;
}

/** The state that a circuit makes of a latent vector z, with weights (layers, n, 3). */
export function evolve({ n, initial, embedding, scale, gate, operations }, weights, z) {
  const state = { re: new Float64Array(2 ** n), im: new Float64Array(2 ** n) };
  if (initial === "superposition") state.re.fill(2 ** (-n / 2));
  else state.re[0] = 1;
  const turn = (axes, angleOf) => {
    for (let qubit = 0; qubit < n; qubit++) {
      axes.forEach((axis, i) => rotate(state, axis, angleOf(qubit, i), bitOf(state, qubit)));
    }
  };
  for (const [kind, value] of operations) {
    if (kind === "embed") turn(embedding, (qubit, i) => scale * z[qubit * embedding.length + i]);
    if (kind === "rotate") turn(ROT, (qubit, i) => weights[value][qubit][i]);
    if (kind === "entangle") {
      for (const pair of value) entangle(state, gate, ...pair.map((qubit) => bitOf(state, qubit)));
    }
  }
  return state;
}

/** The qubit and the observable of feature k. */
const measured = ({ readout }, k) => [Math.floor(k / readout.length), readout[k % readout.length]];

const subscript = (number) => String(number).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);

/** Feature k as it is written: ⟨Z₀⟩. */
function featureName(circuit, k) {
  const [qubit, observable] = measured(circuit, k);
  return `⟨${observable}${subscript(qubit)}⟩`;
}

/** Feature k of a state. */
function measure(circuit, state, k) {
  const [qubit, observable] = measured(circuit, k);
  return expectation(state, observable, bitOf(state, qubit));
}

/** Feature k of a latent vector z. */
export const feature = (circuit, weights, z, k) => measure(circuit, evolve(circuit, weights, z), k);

/** All features of a state, in the order of the readout. */
export const features = (circuit, state) =>
  Array.from({ length: circuit.n * circuit.readout.length }, (_, k) => measure(circuit, state, k));

/** The Bloch vector (⟨X⟩, ⟨Y⟩, ⟨Z⟩) of a qubit: shorter than 1 where it is entangled. */
export const blochVector = (state, qubit) =>
  Object.keys(OBSERVABLES).map((observable) => expectation(state, observable, bitOf(state, qubit)));
