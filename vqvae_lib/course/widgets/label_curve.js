// Accuracy against labels: arms on paired units. Means and paired differences are computed here; the
// bootstrap intervals come from Python.

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Scores of an arm minus those of another, unit by unit, for each number of labels. */
export function paired(scores, arm, baseline) {
  return scores[arm].map((units, k) => units.map((score, unit) => score - scores[baseline][k][unit]));
}

/** Mean and interval for each number of labels: of an arm's scores, or against a baseline. */
export function summary({ scores, intervals, differences }, arm, baseline = null) {
  const values = baseline === null ? scores[arm] : paired(scores, arm, baseline);
  const ends = baseline === null ? intervals[arm] : differences[arm][baseline];
  return values.map((units, k) => ({ mean: mean(units), low: ends[k][0], high: ends[k][1], units }));
}

/** Whether an interval leaves out zero. */
export const apart = ({ low, high }) => low > 0 || high < 0;

/** Limits that enclose all numbers, on whole multiples of `step`. */
export function enclose(numbers, step) {
  return [step * Math.floor(Math.min(...numbers) / step), step * Math.ceil(Math.max(...numbers) / step)];
}

const signed = (value) => (+value.toFixed(1) > 0 ? `+${value.toFixed(1)}` : fixed(value, 1));

const COLOUR_NAMES = ["blue", "orange", "green", "purple", "grey"];
/** Five marks around (x, y): with five colours they differ for 15 arms, and without colour for five. */
const MARKS = [
  (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
  (x, y) => `M${x - 4} ${y - 4}h8v8h-8z`,
  (x, y) => `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z`,
  (x, y) => `M${x} ${y - 5}l5 9h-10z`,
  (x, y) => `M${x} ${y + 5}l5 -9h-10z`,
];
export const styleOf = (arm) => ({
  colour: COLOUR_NAMES[arm % 5], mark: MARKS[(arm + Math.floor(arm / 5)) % 5],
});

const STYLE = `
.vq-labels { display: flex; flex-wrap: wrap; gap: .6rem 1.6rem; font-variant-numeric: tabular-nums; }
.vq-labels > div { flex: 1 1 300px; min-width: 0; }
.vq-labels > .vq-choice, .vq-labels > .vq-table { flex-basis: 100%; }
.vq-labels .vq-arms { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 0 1rem; }
.vq-labels .vq-arms label { display: flex; gap: .4rem; align-items: center; margin: .1rem 0; }
.vq-labels .vq-arms svg { width: 16px; flex: none; }
.vq-labels select { font: inherit; color: inherit; max-width: 100%; min-height: 2rem;
  background: var(--vq-paper, var(--jp-layout-color0, Canvas)); border: 1px solid currentColor; border-radius: 6px; }
.vq-labels option { color: CanvasText; background: Canvas; }
.vq-labels :is(select, input):focus-visible { outline: 3px solid #2f86b8; outline-offset: 2px; }
.vq-labels table { width: 100%; table-layout: fixed; border-collapse: collapse; font-size: .85em; margin: .4rem 0 0; }
.vq-labels caption { text-align: left; caption-side: top; color: inherit; padding: 0; }
.vq-labels :is(th, td) { text-align: right; font-weight: 400; padding: .15rem .2rem; overflow-wrap: anywhere; border: 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); background: none; color: inherit; }
.vq-labels th:first-child { text-align: left; width: 29%; }
.vq-labels td small { display: block; font-size: .85em; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const [labels, arms] = [model.get("per_class"), model.get("arms")];
  const data = Object.fromEntries(["scores", "intervals", "differences"].map((name) => [name, model.get(name)]));
  let dots = false;

  const boxes = arms.map((name, arm) => {
    const input = element("input", { type: "checkbox" });
    const key = shape("svg", { viewBox: "0 0 16 14", height: 14, "aria-hidden": true });
    input.addEventListener("change", () => {
      const chosen = model.get("chosen").filter((other) => other !== arm);
      model.set("chosen", input.checked ? [...chosen, arm].sort((a, b) => a - b) : chosen);
      model.save_changes();
    });
    return { input, key, label: element("label", {}, input, key, name) };
  });
  const select = element("select", {}, ...arms.map((name, arm) => element("option", { value: arm }, name)));
  select.addEventListener("change", () => {
    model.set("baseline", +select.value);
    model.save_changes();
  });
  const toggle = element("input", { type: "checkbox" });
  toggle.addEventListener("change", () => {
    dots = toggle.checked;
    draw();
  });
  const [curve, gain] = [0, 1].map(() => shape("svg", { role: "img" }));
  const gainTitle = element("p");
  const table = element("table");
  const root = frame("vq-labels", model.get("alt"),
    element("div", { class: "vq-choice" },
      element("fieldset", {}, element("legend", {}, words.arms),
        element("div", { class: "vq-arms" }, ...boxes.map(({ label }) => label))),
      element("label", {}, `${words.baseline} `, select),
      element("label", {}, toggle, ` ${words.dots}`)),
    element("div", { class: "vq-accuracy" }, element("p", {}, words.accuracy), curve),
    element("div", { class: "vq-gain" }, gainTitle, gain),
    element("div", { class: "vq-table", "aria-live": "polite" }, table));
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  /** One line with its intervals for each arm; `of` gives the points of an arm. */
  function plot(drawing, chosen, of, { title, range, zero, step }, colour) {
    const lines = chosen.map((arm) => [arm, of(arm)]);
    const numbers = lines.flatMap(([, points]) =>
      points.flatMap((p) => [p.low, p.high, p.mean, ...(dots ? p.units : [])]));
    const [low, high] = enclose([...numbers, ...range], step);
    const { x, y } = axes(drawing, {
      height: 240, xRange: [labels[0] * 0.75, labels.at(-1) * 1.35], yRange: [low, high],
      xTicks: labels, yTicks: ticks(low, high + 1e-9, 5), xName: words.axis, warp: Math.log,
    });
    if (zero) {
      const [start, end] = [x(labels[0] * 0.75), x(labels.at(-1) * 1.35)];
      drawing.append(shape("path", { d: `M${start} ${y(0)}H${end}`, stroke: "currentColor", "stroke-dasharray": "4 3" }));
    }
    lines.forEach(([arm, points], i) => {
      const { colour: name, mark } = styleOf(arm);
      const paint = colour(name);
      // Side by side, so that intervals do not hide each other.
      const at = (k) => x(labels[k]) + 7 * (i - (lines.length - 1) / 2) * Math.min(1, 6 / lines.length);
      const places = points.map((p, k) => [at(k), y(p.mean)]);
      drawing.append(
        shape("path", { d: path(places), fill: "none", stroke: paint, opacity: 0.55 }),
        ...points.map((p, k) => shape("path", { d: `M${at(k)} ${y(p.low)}V${y(p.high)}`, stroke: paint, "stroke-width": 2, class: "vq-interval" })),
        ...(dots ? points.flatMap((p, k) => p.units.map((score) =>
          shape("circle", { cx: at(k), cy: y(score), r: 1.6, fill: paint, opacity: 0.7, class: "vq-dot" }))) : []),
        ...places.map(([px, py]) => shape("path", { d: mark(px, py), fill: paint, class: "vq-mark" })));
    });
    const said = lines.map(([arm, points]) => `${arms[arm]}: ${points.map((p, k) => fill(words.point, {
      labels: labels[k], mean: fixed(p.mean, 1), low: fixed(p.low, 1), high: fixed(p.high, 1),
    })).join("; ")}`);
    drawing.setAttribute("aria-label", `${title}. ${said.join(". ") || words.none}.`);
  }

  function write(chosen, baseline) {
    const caption = fill(words.table, { baseline: arms[baseline] });
    const head = [words.arm, ...labels.map((count) => fill(words.column, { labels: count }))];
    const rows = chosen.map((arm) => element("tr", {}, element("th", { scope: "row" }, arms[arm]),
      ...summary(data, arm, baseline).map((p) => {
        const middle = element(apart(p) ? "strong" : "span", {}, signed(p.mean));
        return element("td", {}, middle, element("small", {}, `[${fixed(p.low, 1)}, ${fixed(p.high, 1)}]`));
      })));
    table.replaceChildren(
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows));
  }

  function draw() {
    const [chosen, baseline] = [model.get("chosen"), model.get("baseline")];
    const dark = isDark(root);
    const colour = (name) => COLOURS[name][+dark];
    boxes.forEach(({ input, key }, arm) => {
      const { colour: name, mark } = styleOf(arm);
      input.checked = chosen.includes(arm);
      key.replaceChildren(shape("path", { d: mark(8, 7), fill: colour(name) }));
    });
    select.value = baseline;
    toggle.checked = dots;
    const others = chosen.filter((arm) => arm !== baseline);
    gainTitle.textContent = fill(words.gain, { baseline: arms[baseline] });
    plot(curve, chosen, (arm) => summary(data, arm), { title: words.accuracy, range: chosen.length ? [] : [0, 100], zero: false, step: 5 }, colour);
    plot(gain, others, (arm) => summary(data, arm, baseline), { title: gainTitle.textContent, range: [-1, 1], zero: true, step: 2 }, colour);
    write(others, baseline);
  }

  model.on("change:chosen", draw);
  model.on("change:baseline", draw);
  draw();
  const stops = [onTheme(draw), onWidth(root, draw)];
  return () => {
    stops.forEach((stop) => stop());
    model.off("change:chosen", draw);
    model.off("change:baseline", draw);
  };
}

export default { render };
