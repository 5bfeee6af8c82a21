// Networks and circuits for many inputs, thousands of times a second. What they compute is written in
// network.js and simulator.js; here stand the shortcuts: several rows at a time, a table for GELU,
// and gates that act one after the other on the same qubit made into one.

const CDF = { step: 1 / 8, reach: 8, terms: 9 }; // beyond the reach it is 0 or 1 in double precision

/** Taylor coefficients of the normal distribution function, around each multiple of the step. */
function tabulateCdf({ step, reach, terms }) {
  const table = new Float64Array((2 * (reach / step) + 1) * terms);
  for (let first = 0, x = -reach; x <= reach; first += terms, x += step) {
    table[first] = (1 + erf(x / Math.SQRT2)) / 2;
    let [lower, derivative] = [0, Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)];
    for (let k = 1, factorial = 1; k < terms; factorial *= ++k) {
      table[first + k] = derivative / factorial;
      // The derivatives of the density, by the recurrence of the Hermite polynomials.
      [lower, derivative] = [derivative, -x * derivative - (k - 1) * lower];
    }
  }
  return table;
}

let cdfTable;

/** GELU, out of the table: a repaint needs half a million of them, and the series of erf is long. */
export function quickGelu(x) {
  const { step, reach, terms } = CDF;
  if (x <= -reach) return 0;
  if (x >= reach) return x;
  cdfTable ??= tabulateCdf(CDF);
  const node = Math.round((x + reach) / step);
  const first = node * terms;
  const distance = x + reach - node * step;
  let sum = 0;
  for (let k = terms - 1; k >= 0; k--) sum = sum * distance + cdfTable[first + k];
  return x * sum;
}

/** The layers as `unpack` gives them, with the quick activation. */
const unpackQuick = (layers) => unpack(layers).map((layer) =>
  ({ ...layer, activation: layer.activation === ACTIVATIONS.gelu ? quickGelu : layer.activation }));

/** What a network makes of many inputs, one behind the other in one array; their number is a multiple of 4. */
export const decodeRows = (network, inputs, count) =>
  network.reduce((rows, layer) => passRows(layer, rows, count), inputs);

/** A layer for 4 inputs and 2 outputs at a time: each number that is read is used more than once. */
function passRows({ rows, columns, weight, bias, activation }, input, count) {
  const output = new Float64Array(count * rows);
  for (let from = 0; from < count; from += 4) {
    const a = from * columns;
    const b = a + columns;
    const c = b + columns;
    const d = c + columns;
    for (let r = 0; r < rows; r += 2) {
      const s = Math.min(r + 1, rows - 1); // the last of an odd number stands alone
      const [top, low] = [r * columns, s * columns];
      let a0 = 0, b0 = 0, c0 = 0, d0 = 0, a1 = 0, b1 = 0, c1 = 0, d1 = 0;
      for (let i = 0; i < columns; i++) {
        const v = weight[top + i];
        const w = weight[low + i];
        const x = input[a + i];
        a0 += v * x;
        a1 += w * x;
        const y = input[b + i];
        b0 += v * y;
        b1 += w * y;
        const z = input[c + i];
        c0 += v * z;
        c1 += w * z;
        const u = input[d + i];
        d0 += v * u;
        d1 += w * u;
      }
      const put = (place, row, sum) => {
        output[(from + place) * rows + row] = activation(bias[row] + sum);
      };
      put(0, r, a0);
      put(1, r, b0);
      put(2, r, c0);
      put(3, r, d0);
      put(0, s, a1);
      put(1, s, b1);
      put(2, s, c1);
      put(3, s, d1);
    }
  }
  return output;
}

const turn = (axis, angle) => ROTATIONS[axis](Math.cos(angle / 2), Math.sin(angle / 2));

/** Two gates on the same qubit as one: four entries [re, im], row by row, as ROTATIONS has them. */
function joinGates([e, f, g, h], [a, b, c, d]) {
  const sum = ([p, q], [r, s], [t, u], [v, w]) =>
    [p * r - q * s + t * v - u * w, p * s + q * r + t * w + u * v];
  return [sum(e, a, f, c), sum(e, b, f, d), sum(g, a, h, c), sum(g, b, h, d)];
}

function applyGate(re, im, [a, b, c, d], bit) {
  const [ar, ai, br, bi, cr, ci, dr, di] = [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]];
  for (let i = 0; i < re.length; i++) {
    if (i & bit) continue;
    const j = i | bit;
    const x = re[i];
    const y = im[i];
    const u = re[j];
    const v = im[j];
    re[i] = ar * x - ai * y + br * u - bi * v;
    im[i] = ar * y + ai * x + br * v + bi * u;
    re[j] = cr * x - ci * y + dr * u - di * v;
    im[j] = cr * y + ci * x + dr * v + di * u;
  }
}

/** An entangling layer as one step: where each amplitude comes from, and its sign. */
function joinEntanglers(gate, pairs, size) {
  // A gate permutes or negates amplitudes. Numbers from 1 take its place, so that a sign shows.
  const labels = { re: Float64Array.from({ length: size }, (_, i) => i + 1), im: new Float64Array(size) };
  for (const pair of pairs) entangle(labels, gate, ...pair.map((qubit) => bitOf(labels, qubit)));
  return { from: Int32Array.from(labels.re, (label) => Math.abs(label) - 1), sign: labels.re.map(Math.sign) };
}

function permute(values, { from, sign }, spare) {
  spare.set(values);
  for (let i = 0; i < values.length; i++) values[i] = sign[i] * spare[from[i]];
}

/** The function from a latent vector z to the features, with everything ready that z does not change. */
export function compile(circuit, weights) {
  const { n, initial, embedding, scale, gate, operations } = circuit;
  const size = 2 ** n;
  const [re, im, spare] = [0, 1, 2].map(() => new Float64Array(size));
  const state = { re, im };
  const qubits = Array.from({ length: n }, (_, qubit) => ({ qubit, bit: bitOf(state, qubit) }));
  const first = initial === "superposition" ? size : 1; // so many amplitudes are equal, the others 0
  const steps = operations.map(([kind, value]) => {
    if (kind === "entangle") {
      const joined = joinEntanglers(gate, value, size);
      return () => [re, im].forEach((values) => permute(values, joined, spare));
    }
    if (kind === "rotate") {
      const gates = qubits.map(({ qubit }) =>
        ROT.map((axis, i) => turn(axis, weights[value][qubit][i])).reduce((done, gate) => joinGates(gate, done)));
      return () => qubits.forEach(({ qubit, bit }) => applyGate(re, im, gates[qubit], bit));
    }
    return (z) => qubits.forEach(({ qubit, bit }) => embedding.forEach((axis, i) =>
      applyGate(re, im, turn(axis, scale * z[qubit * embedding.length + i]), bit)));
  });
  return (z) => {
    re.fill(0).fill(first ** -0.5, 0, first);
    im.fill(0);
    steps.forEach((step) => step(z));
    return features(circuit, state);
  };
}
