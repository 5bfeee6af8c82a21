// needs: guesses
// Back to a guess: what came out, beside what the reader said, and a word on likely wrong answers.

/** The word for a guess, or an empty text. */
export function reply(kind, replies, guess) {
  if (guess === null) return "";
  const fits = kind === "number"
    ? ([low, high]) => guess >= low && guess <= high
    : ([option]) => option === guess;
  return replies.find(fits)?.at(-1) ?? "";
}

function render({ model, el }) {
  const words = model.get("words");
  const kind = model.get("kind");
  const key = model.get("key");
  const you = element("p", { role: "status" });
  const result = element("p");
  result.innerHTML = fill(words.cameOut, { result: `<strong>${model.get("result")}</strong>` });
  const plot = shape("svg", { role: "img" });
  const parts = kind === "curve" ? [plot] : [result];
  const root = frame("vq-predict", model.get("alt"),
    element("p", { class: "vq-title", id: `answer-${key}`, tabindex: -1 }, words.title),
    you, ...parts, element("p", {}, model.get("text")));
  el.replaceChildren(element("style", {}, SHARED_STYLE + GUESS_STYLE), root);
  let guess = readGuess(key);

  function draw() {
    const [xs, ys] = model.get("curve");
    const { x, y } = curveAxes(plot, model);
    const dark = +isDark(plot);
    plot.append(axisNames(model), shape("path", { d: path(xs.map((value, i) => [x(value), y(ys[i])])), fill: "none",
      stroke: COLOURS.orange[dark], "stroke-width": 2.4 }));
    if (!Array.isArray(guess)) return;
    const [low, high] = model.get("x_range");
    const points = guess.map((value, i) => [x(low + ((high - low) * i) / (guess.length - 1)), y(value)]);
    plot.append(shape("path", { d: path(points), fill: "none", stroke: COLOURS.blue[dark], "stroke-width": 2.2,
      "stroke-dasharray": "7 4" }));
  }
  function show() {
    if (kind === "curve") {
      const said = Array.isArray(guess) ? words.yourCurve : words.trueCurve;
      you.textContent = said;
      plot.setAttribute("aria-label", said);
      draw();
      return;
    }
    const right = kind === "choice" && guess === model.get("option");
    you.textContent = guess === null ? "" : `${fill(right ? words.right : words.said,
      { guess: spoken(guess, model.get("unit")) })} ${reply(kind, model.get("replies"), guess)}`;
    you.hidden = guess === null;
  }
  const listen = (event) => {
    if (event.detail.key !== key) return;
    guess = event.detail.guess;
    show();
  };
  addEventListener(GUESSED, listen);
  const stops = kind === "curve" ? [onTheme(draw), onWidth(plot, draw)] : [];
  show();
  return () => {
    removeEventListener(GUESSED, listen);
    stops.forEach((stop) => stop());
  };
}

export default { render };
