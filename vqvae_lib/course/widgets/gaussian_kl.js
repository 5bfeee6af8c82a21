// Two Gaussians on a line, and the KL between them as an area. q = N(mu, sigma²) moves, p = N(0, 1)
// stays. The closed form and the area under the drawn curve are two routes to one number.

const BORDERS = { mu: [-3, 3], sigma: [0.1, 3] };
const WINDOW = 6; // the drawn axis runs from −6 to 6
const REACH = 30; // beyond it nothing is left of any integrand
const STEPS = 100; // of the sum, in one unit of z

const logDensity = (z, mu, sigma) =>
  -0.5 * ((z - mu) / sigma) ** 2 - Math.log(sigma) - 0.5 * Math.log(2 * Math.PI);

/** What is integrated, at z: q log(q/p) where the direction is "forward", p log(p/q) where "reverse". */
export function integrand(direction, mu, sigma, z) {
  const q = logDensity(z, mu, sigma);
  const p = logDensity(z, 0, 1);
  return direction === "forward" ? Math.exp(q) * (q - p) : Math.exp(p) * (p - q);
}

/** The closed forms, in nats, and the two parts of KL(q‖p): of the mean and of the width. */
export function closedForm(mu, sigma) {
  const mean = 0.5 * mu ** 2;
  const width = 0.5 * (sigma ** 2 - 1) - Math.log(sigma);
  const reverse = Math.log(sigma) + (1 + mu ** 2) / (2 * sigma ** 2) - 0.5;
  return { forward: mean + width, reverse, mean, width };
}

/** The area between a curve and the axis by the trapezoid rule: above it, below it, outside the window. */
export function area(curve) {
  const sums = { above: 0, below: 0, outside: 0 };
  for (let i = -REACH * STEPS; i <= REACH * STEPS; i++) {
    // The curve has vanished at both ends: every point counts in full.
    const part = curve(i / STEPS) / STEPS;
    sums[part > 0 ? "above" : "below"] += part;
    const beyond = Math.abs(i) - WINDOW * STEPS;
    if (beyond >= 0) sums.outside += beyond ? part : part / 2;
  }
  return { ...sums, total: sums.above + sums.below };
}

const STYLE = `
.vq-kl { display: flex; flex-wrap: wrap; gap: .4rem 1.8rem; }
.vq-kl .vq-plots { flex: 1.6 1 280px; min-width: 0; }
.vq-kl .vq-numbers { flex: 1 1 220px; min-width: 0; }
.vq-kl .vq-densities { cursor: ew-resize; touch-action: pan-y; }
.vq-kl p { margin: .9rem 0 .1rem; }
.vq-kl .vq-plots p:first-child { margin-top: 0; }
.vq-kl .vq-readout { margin: .9rem 0; font-variant-numeric: tabular-nums; }
.vq-kl .vq-readout p { margin: .15rem 0; }
.vq-kl fieldset { margin-top: .6rem; }
.vq-kl fieldset label { display: inline-block; margin: .1rem 1.2rem 0 0; }
.vq-kl .vq-part { display: flex; gap: .5rem; align-items: center; margin: .15rem 0; }
.vq-kl .vq-part svg { width: 26px; flex: none; }
`;

/** A box of the bar of KL(q‖p), from x1 to x2; the second kind is known by its stripes. */
function plain(x1, x2, height, colour) {
  return shape("rect", { x: x1, width: x2 - x1, y: 1, height: height - 1, fill: colour });
}
function hatched(x1, x2, height, colour) {
  const count = Math.ceil((x2 - x1) / 5);
  const stripes = Array.from({ length: count }, (_, i) => `M${x1 + 5 * i + 2.5} 1V${height}`);
  return shape("g", { stroke: colour },
    shape("rect", { x: x1, width: x2 - x1, y: 1, height: height - 1, fill: "none" }),
    shape("path", { d: stripes.slice(0, -1).join(""), "stroke-width": 2 }));
}

function render({ model, el }) {
  const words = model.get("words");
  const densities = shape("svg", {
    class: "vq-densities", tabindex: 0, role: "application", "aria-label": words.densities,
  });
  const curve = shape("svg", { role: "img" });
  const split = shape("svg", { role: "img" });
  const [names, drawn, splitName] = [element("p"), element("p"), element("p", {}, words.split)];
  const [meanPart, widthPart] = [element("p", { class: "vq-part" }), element("p", { class: "vq-part" })];
  const readout = element("div", { class: "vq-readout", "aria-live": "polite" });
  const mean = slider(words.mean, ...BORDERS.mu, 0.01);
  const width = slider(words.std, ...BORDERS.sigma, 0.01);
  const choices = radios(["forward", "reverse"].map((name) => [name, words[name]]),
    (direction) => change({ direction }));
  const root = frame("vq-kl", model.get("alt"),
    element("div", { class: "vq-plots" }, names, densities, drawn, curve),
    element("div", { class: "vq-numbers" },
      mean.label, width.label,
      element("fieldset", {},
        element("legend", {}, words.direction), ...choices.map(({ label }) => label)),
      readout, splitName, split, meanPart, widthPart));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  const line = { xRange: [-WINDOW, WINDOW], xTicks: ticks(-WINDOW, WINDOW, 6), xName: "z" };
  let held = null; // what a pointer drags
  let marks = null; // where the two marks are drawn, and x

  /** The points of a curve between the window's borders, also at the top of a narrow bell. */
  function trace(curveAt, { x, y }, mu, sigma) {
    const places = Array.from({ length: 401 }, (_, i) => WINDOW * (i / 200 - 1));
    for (let i = -40; i <= 40; i++) places.push(mu + (sigma * i) / 10);
    return places.filter((z) => Math.abs(z) <= WINDOW).sort((a, b) => a - b)
      .map((z) => [x(z), y(curveAt(z))]);
  }

  function drawDensities(mu, sigma, colour) {
    const q = (z) => Math.exp(logDensity(z, mu, sigma));
    const p = (z) => Math.exp(logDensity(z, 0, 1));
    const high = Math.max(q(mu), p(0));
    const scale = axes(densities, {
      ...line, height: 190, top: 28, yRange: [0, high], yTicks: ticks(0, high, 4),
    });
    const { x, y } = scale;
    const side = mu + sigma;
    const peak = { x: x(mu), y: y(q(mu)) };
    const mark = { x: x(side), y: y(q(side)) };
    const name = (text, attributes) => shape("text", { class: "vq-halo", ...attributes }, text);
    const left = mu >= 0 ? -1 : 1; // p is named on the side where q is not
    densities.append(
      shape("path", { d: path(trace(q, scale, mu, sigma)), fill: "none", stroke: colour("blue"),
        "stroke-width": 2.2 }),
      // On top: where the two coincide, both are seen.
      shape("path", { d: path(trace(p, scale, 0, 1)), fill: "none", stroke: colour("orange"),
        "stroke-width": 2.2, "stroke-dasharray": "7 4" }),
      shape("path", { d: `M${peak.x} ${y(0)}V${peak.y}M${peak.x} ${mark.y}H${mark.x}`,
        stroke: colour("blue"), "stroke-dasharray": "2 3" }),
      shape("circle", { cx: peak.x, cy: peak.y, r: 6, fill: colour("blue") }),
      shape("rect", { x: mark.x - 5.5, y: mark.y - 5.5, width: 11, height: 11, fill: colour("blue") }),
      name("p", { x: x(1.35 * left) + 6 * left, y: y(p(1.35)), "text-anchor": left < 0 ? "end" : "start" }),
      name("q", { x: peak.x, y: peak.y - 11, "text-anchor": "middle" }),
      name("μ", { x: peak.x - 5, y: y(0) - 5, "text-anchor": "end" }),
      name("σ", { x: mark.x + 9, y: mark.y + 4 }));
    marks = { peak, mark, x };
  }

  function drawCurve(direction, mu, sigma, colour) {
    const value = (z) => integrand(direction, mu, sigma, z);
    const samples = Array.from({ length: 1201 }, (_, i) => WINDOW * (i / 600 - 1));
    const heights = samples.map(value);
    // Never nearer than this: two equal Gaussians give a flat line, not rounding errors enlarged.
    const [low, high] = [Math.min(-0.02, ...heights), Math.max(0.06, ...heights)];
    const scale = axes(curve, {
      ...line, height: 170, yRange: [low, high], yTicks: ticks(low, high, 4),
    });
    const { x, y } = scale;
    const part = (sign) => {
      const points = samples.map((z, i) => [x(z), y(sign * Math.max(0, sign * heights[i]))]);
      return path([[x(-WINDOW), y(0)], ...points, [x(WINDOW), y(0)]]) + "Z";
    };
    // Below the axis the area is hatched: sign is told by more than a colour.
    const hatches = samples.filter((_, i) => i % 12 === 0 && heights[i] < 0)
      .map((z) => `M${x(z)} ${y(0)}V${y(value(z))}`).join("");
    curve.append(
      shape("path", { d: part(1), fill: colour("green"), opacity: 0.35 }),
      shape("path", { d: part(-1), fill: colour("purple"), opacity: 0.2 }),
      shape("path", { d: hatches, stroke: colour("purple") }),
      shape("line", { x1: x(-WINDOW), x2: x(WINDOW), y1: y(0), y2: y(0), stroke: "currentColor" }),
      shape("path", { d: path(samples.map((z, i) => [x(z), y(heights[i])])), fill: "none",
        stroke: "currentColor", "stroke-width": 1.8 }));
    for (const [sign, extreme] of [["+", Math.max(...heights)], ["−", Math.min(...heights)]]) {
      if (Math.abs(y(extreme) - y(0)) < 14) continue; // no room for a sign
      const z = samples[heights.indexOf(extreme)];
      const middle = clip(x(z), x(-WINDOW) + 8, x(WINDOW) - 8);
      const place = { x: middle, y: (y(extreme) + y(0)) / 2 + 5, "text-anchor": "middle" };
      curve.append(shape("text", { class: "vq-halo", ...place }, sign));
    }
  }

  /** The bar of KL(q‖p): what the mean costs, then what the width costs. */
  function drawSplit({ mean: first, width: second, forward }, colour) {
    const high = [0.5, 1, 2, 5, 10].find((border) => border >= forward);
    const { x } = axes(split, {
      height: 52, xRange: [0, high], yRange: [0, 1], xTicks: ticks(0, high, 5), yTicks: [],
      xName: "", left: 6,
    });
    const key = (box) => shape("svg", { viewBox: "0 0 26 14", height: 14, "aria-hidden": true }, box);
    split.append(plain(x(0), x(first), 22, colour("sky")),
      hatched(x(first), x(forward), 22, colour("grey")));
    meanPart.replaceChildren(key(plain(1, 25, 13, colour("sky"))),
      fill(words.meanPart, { part: fixed(first, 3) }));
    widthPart.replaceChildren(key(hatched(1, 25, 13, colour("grey"))),
      fill(words.widthPart, { part: fixed(second, 3) }));
  }

  function draw() {
    const [mu, sigma, direction] = ["mu", "sigma", "direction"].map((name) => model.get(name));
    const dark = isDark(root);
    const colour = (name) => COLOURS[name][+dark];
    const exact = closedForm(mu, sigma);
    const summed = area((z) => integrand(direction, mu, sigma, z));

    drawDensities(mu, sigma, colour);
    drawCurve(direction, mu, sigma, colour);
    drawSplit(exact, colour);
    mean.input.value = mu;
    width.input.value = sigma;
    for (const { input } of choices) input.checked = input.value === direction;

    const numbers = Object.fromEntries(Object.entries({ ...exact, ...summed })
      .map(([name, value]) => [name, fixed(value, 3)]));
    names.textContent = fill(words.names, { mu: fixed(mu, 2), sigma: fixed(sigma, 2) });
    drawn.textContent = words[`${direction}Curve`];
    curve.setAttribute("aria-label", `${drawn.textContent} ${fill(words.area, numbers)}`);
    split.setAttribute("aria-label", fill(words.bar, numbers));
    const lines = [fill(words.forwardKL, numbers), fill(words.reverseKL, numbers), fill(words.area, numbers)];
    if (Math.abs(summed.outside) >= 0.0005) lines.push(fill(words.outside, numbers));
    readout.replaceChildren(...lines.map((line) => element("p", {}, line)));
  }

  function change(values) {
    for (const [name, value] of Object.entries(values)) {
      const inside = (number) => Math.round(100 * clip(number, ...BORDERS[name])) / 100;
      model.set(name, name in BORDERS ? inside(value) : value);
    }
    model.save_changes();
  }

  /** A pointer's place in the drawing, and the z under it. */
  function pointer(event) {
    const box = densities.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  const under = (event) => (pointer(event)[0] - marks.x(0)) / (marks.x(1) - marks.x(0));

  mean.input.addEventListener("input", () => change({ mu: +mean.input.value }));
  width.input.addEventListener("input", () => change({ sigma: +width.input.value }));
  densities.addEventListener("keydown", (event) => {
    const direction = arrow(event);
    if (!direction) return;
    const step = event.shiftKey ? 0.25 : 0.05;
    if (direction[0]) change({ mu: model.get("mu") + step * direction[0] });
    else change({ sigma: model.get("sigma") + step * direction[1] });
  });
  densities.addEventListener("pointerdown", (event) => {
    densities.setPointerCapture(event.pointerId);
    const [left, top] = pointer(event);
    const distance = ({ x, y }) => Math.hypot(left - x, top - y);
    const name = distance(marks.mark) < distance(marks.peak) ? "sigma" : "mu";
    // The mark keeps its distance from the pointer: nothing jumps when it is taken.
    held = { name, offset: model.get(name) - under(event) };
  });
  densities.addEventListener("pointermove", (event) => {
    if (held && event.buttons & 1) change({ [held.name]: under(event) + held.offset });
  });
  const events = ["change:mu", "change:sigma", "change:direction"];
  events.forEach((event) => model.on(event, draw));
  draw();
  const stops = [onTheme(draw), onWidth(densities, draw)];
  return () => {
    stops.forEach((stop) => stop());
    events.forEach((event) => model.off(event, draw));
  };
}

export default { render };
