// Hidden pixels of an image, drawn given the others: Metropolis within Gibbs (Mattei and Frellsen 2018,
// arXiv:1802.04826), with moves by differences of other chains beside it (ter Braak 2006). It draws from
// p(z | observed pixels) in the limit of many steps. All chains go through the networks together; what
// belongs to chain k stands in row k of each array.

/**
 * The model's parts, unpacked once: `encode` gives { mu, logVar } of many images, `decode` the numbers
 * of p(x|z) for many codes. The number of rows is a multiple of four.
 */
export function unpackModel({ encoder, decoder, circuit, angles, feature_scale, likelihood }) {
  const [trunk, mu, logVar, image] =
    [encoder.trunk, encoder.mu, encoder.log_var, decoder].map(unpackQuick);
  const d = mu.at(-1).rows;
  const transform = circuit.n ? scaledFeatures(circuit, float16(angles), float16(feature_scale)) : (z) => z;
  return {
    d, likelihood,
    encode(x, count) {
      const h = decodeRows(trunk, x, count);
      return { mu: decodeRows(mu, h, count), logVar: decodeRows(logVar, h, count) };
    },
    decode: (z, count) => decodeRows(image, transform(z, d, count), count),
  };
}

/** The bottleneck: each code through the circuit, its features multiplied by their scale. */
function scaledFeatures(circuit, angles, scale) {
  const weights = Array.from({ length: angles.length / (3 * circuit.n) }, (_, layer) =>
    Array.from({ length: circuit.n }, (_, qubit) => angles.subarray(3 * (layer * circuit.n + qubit))));
  const measured = compile(circuit, weights);
  return (z, d, count) => {
    const rows = new Float64Array(count * scale.length);
    for (let k = 0; k < count; k++) {
      measured(z.subarray(k * d, (k + 1) * d)).forEach((value, i) => {
        rows[k * scale.length + i] = scale[i] * value;
      });
    }
    return rows;
  };
}

/** log(1 + exp x), without overflow. */
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Smallest count whose distribution function reaches u: a draw from Binomial(total, p) for a u in [0, 1). */
export function binomialCount(u, total, p) {
  if (p > 0.5) return total - binomialCount(1 - u, total, 1 - p); // else (1 − p)^total may underflow
  let chance = (1 - p) ** total;
  let sum = chance;
  let count = 0;
  while (sum < u && count < total) {
    chance *= ((total - count) / (count + 1)) * (p / (1 - p));
    sum += chance;
    count++;
  }
  return count;
}

/**
 * What the chains ask of p(x|z), by the likelihood's name, for one pixel and the decoder's number for
 * it. `logProb` leaves out what does not depend on z; `draw` takes a random number of the kind `noise`.
 */
const LIKELIHOODS = {
  gaussian: ({ variance }) => ({
    mean: (value) => value,
    logProb: (x, value) => -((x - value) ** 2) / (2 * variance),
    noise: "normal",
    draw: (value, number) => value + Math.sqrt(variance) * number,
  }),
  binomial: ({ total_count: total }) => ({
    mean: sigmoid,
    logProb: (x, value) => total * (x * value - softplus(value)),
    noise: "uniform",
    draw: (value, number) => binomialCount(number, total, sigmoid(value)) / total,
  }),
};

/** Numbers for the chains from one seed: uniform in [0, 1), and standard normal (Box and Muller 1958). */
export function makeNoise(seed) {
  const uniform = randomNumbers(seed);
  let spare;
  return {
    uniform,
    normal() {
      if (spare !== undefined) {
        const kept = spare;
        spare = undefined;
        return kept;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

const HOP = 8; // every so many moves the difference is taken whole, which leads from mode to mode
const JITTER = 0.05; // added to a move, so that every code can be reached

/**
 * Fill the hidden pixels of `image`. Every chain starts with those of `start` in the hole and
 * z ~ q(z|x), and in each step
 *
 * 1. proposes z' ~ q(z|x), x with the current fill,
 * 2. accepts it with probability min(1, p(x|z') p(z') q(z|x) / (p(x|z) p(z) q(z'|x))),
 * 3. moves z `moves` times by the difference of two other chains, see `moveCodes`,
 * 4. draws the hidden pixels from p(x|z).
 *
 * Without 3 this is Metropolis within Gibbs; it gets on slowly where the seen pixels leave much open, as
 * z and the fill hold each other. 3 leaves p(z | observed pixels) as it is, and 4 follows it, so that
 * all together keep the distribution of z and hidden pixels.
 *
 * In: `hidden`, the pixels' indices; `noise`, as `makeNoise` gives it; `chains`, a multiple of eight.
 * The noise is asked for d normals of every chain, at first and in 1; for a uniform number of every
 * chain in 2; in 4 for one number of every pixel, so that a pixel keeps its own when the hole changes.
 *
 * Out, for the hidden pixels in their order, all from means of p(x|z) without its noise: `average` and
 * `deviation` over all chains and the second half of the steps, and `draws`, each chain's last. Also the
 * fractions that were accepted of the encoder's proposals, `accepted`, and of the moves, `moved`.
 */
export function fillHole(model, image, hidden, start, noise, { chains, steps, moves }) {
  const [d, D] = [model.d, image.length];
  const pixel = LIKELIHOODS[model.likelihood.name](model.likelihood);
  const inHole = Array.from(image, (_, i) => hidden.includes(i));
  const filled = image.map((value, i) => (inHole[i] ? start[i] : value));
  const x = new Float64Array(chains * D);
  for (let k = 0; k < chains; k++) x.set(filled, k * D);

  let q = model.encode(x, chains);
  const z = sampleCodes(q, noise);
  const run = { model, pixel, noise, chains, d, D, z, params: model.decode(z, chains) };
  const seen = Array.from(image.keys()).filter((i) => !inHole[i]);
  const tally = makeTally(hidden.length);
  let [accepted, moved] = [0, 0];
  for (let step = 0; step < steps; step++) {
    if (step) q = model.encode(x, chains);
    accepted += proposeCodes(run, x, q);
    for (let move = 0; move < moves; move++) {
      const hops = (step * moves + move) % HOP === HOP - 1;
      moved += moveCodes(run, image, seen, hops ? 1 : 2.38 / Math.sqrt(2 * d));
    }
    for (let i = 0; i < x.length; i++) {
      const number = noise[pixel.noise]();
      if (inHole[i % D]) x[i] = pixel.draw(run.params[i], number);
    }
    for (let k = 0; 2 * step >= steps && k < chains; k++) {
      tally.add((i) => pixel.mean(run.params[k * D + hidden[i]]));
    }
  }
  return {
    ...tally.result(),
    draws: Array.from({ length: chains }, (_, k) => hidden.map((i) => pixel.mean(run.params[k * D + i]))),
    accepted: accepted / (chains * steps),
    moved: moved / (chains * steps * moves),
  };
}

/** Codes of all chains, z ~ q(z|x). */
const sampleCodes = ({ mu, logVar }, noise) =>
  mu.map((value, i) => value + Math.exp(logVar[i] / 2) * noise.normal());

/** Steps 1 and 2 for all chains: give the number of proposals that were accepted. */
function proposeCodes(run, x, q) {
  const { model, pixel, noise, chains, d, D, z, params } = run;
  const proposed = sampleCodes(q, noise);
  const found = model.decode(proposed, chains);
  /** log p(z) − log q(z|x), without what does not depend on z. */
  const logCode = (value, i) => ((value - q.mu[i]) ** 2 * Math.exp(-q.logVar[i]) - value ** 2) / 2;
  let accepted = 0;
  for (let k = 0; k < chains; k++) {
    let gain = 0;
    for (let i = k * D; i < (k + 1) * D; i++) gain += pixel.logProb(x[i], found[i]) - pixel.logProb(x[i], params[i]);
    for (let i = k * d; i < (k + 1) * d; i++) gain += logCode(proposed[i], i) - logCode(z[i], i);
    accepted += decide(run, gain, k, proposed, found, k);
  }
  return accepted;
}

/**
 * Step 3: z' = z + scale · (difference of two chains of the other half) + jitter, accepted with
 * probability min(1, p(x_seen|z') p(z') / (p(x_seen|z) p(z))). Both halves move, one after the other. The
 * noise is asked, chain by chain, for two uniform numbers, which choose the two, and d normals; then
 * for a uniform number of each chain. Gives the number of moves that were accepted.
 */
function moveCodes(run, image, seen, scale) {
  const { model, pixel, noise, chains, d, D, z, params } = run;
  const half = chains / 2;
  let moved = 0;
  for (const first of [0, half]) {
    const proposed = new Float64Array(half * d);
    for (let k = 0; k < half; k++) {
      const one = Math.floor(noise.uniform() * half);
      const other = (one + 1 + Math.floor(noise.uniform() * (half - 1))) % half;
      for (let i = 0; i < d; i++) {
        const difference = z[(half - first + one) * d + i] - z[(half - first + other) * d + i];
        proposed[k * d + i] = z[(first + k) * d + i] + scale * difference + JITTER * noise.normal();
      }
    }
    const found = model.decode(proposed, half);
    for (let k = 0; k < half; k++) {
      const [row, chain] = [k * D, (first + k) * D];
      let gain = 0;
      for (const i of seen) gain += pixel.logProb(image[i], found[row + i]) - pixel.logProb(image[i], params[chain + i]);
      for (let i = 0; i < d; i++) gain += (z[(first + k) * d + i] ** 2 - proposed[k * d + i] ** 2) / 2;
      moved += decide(run, gain, first + k, proposed, found, k);
    }
  }
  return moved;
}

/** Let a chain take the proposal in `row` if the logarithm of a uniform number is below its gain: 1, else 0. */
function decide({ noise, d, D, z, params }, gain, chain, proposed, found, row) {
  if (Math.log(noise.uniform()) >= gain) return 0;
  z.set(proposed.subarray(row * d, (row + 1) * d), chain * d);
  params.set(found.subarray(row * D, (row + 1) * D), chain * D);
  return 1;
}

/** Mean and standard deviation of `length` numbers at once. */
function makeTally(length) {
  const [sums, squares] = [new Float64Array(length), new Float64Array(length)];
  let count = 0;
  return {
    add(valueAt) {
      count++;
      for (let i = 0; i < length; i++) {
        const value = valueAt(i);
        sums[i] += value;
        squares[i] += value ** 2;
      }
    },
    result() {
      const average = sums.map((sum) => sum / count);
      const variance = squares.map((sum, i) => Math.max(0, sum / count - average[i] ** 2));
      return { average, deviation: variance.map(Math.sqrt) };
    },
  };
}
