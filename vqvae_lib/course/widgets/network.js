// A decoder of linear layers and activations, run here.

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

/** What the network makes of its inputs: the decoder's D pixel values. */
export function decode(network, inputs) {
  return network.reduce((input, { rows, columns, weight, bias, activation }) => {
    const output = new Float64Array(rows);
    for (let r = 0; r < rows; r++) {
      let sum = bias[r];
      for (let c = 0; c < columns; c++) sum += weight[r * columns + c] * input[c];
      output[r] = activation(sum);
    }
    return output;
  }, inputs);
}
