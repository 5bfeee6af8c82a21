// needs: guesses
// A question with room for a guess: a number, a choice, or a curve to draw. What the reader commits
// to stays until it is changed; the answer, further down, comes back to it.

function numberControl(model, words) {
  const [low, high] = model.get("x_range");
  const input = element("input", { type: "number", inputmode: "decimal", min: low, max: high, step: "any" });
  const unit = model.get("unit");
  const label = element("label", {}, `${words.yours} `, input, unit ? ` ${unit}` : "");
  const hint = element("p", {}, fill(words.between, { low: short(low), high: short(high) }));
  const read = () => (input.value.trim() === "" || !(+input.value >= low && +input.value <= high)
    ? null : +input.value);
  return { node: element("div", {}, element("div", { class: "vq-controls" }, label), hint), read, focus: input,
    show: (guess) => { input.value = guess; }, lock: (locked) => { input.disabled = locked; } };
}

function choiceControl(model, words) {
  let chosen = null;
  const buttons = radios(model.get("options").map((option) => [option, option]), (option) => { chosen = option; });
  const node = element("fieldset", {}, element("legend", {}, words.yours), ...buttons.map(({ label }) => label));
  return { node, read: () => chosen, focus: buttons[0].input,
    show: (guess) => {
      chosen = guess;
      buttons.forEach(({ input }) => { input.checked = input.value === guess; });
    },
    lock: (locked) => buttons.forEach(({ input }) => { input.disabled = locked; }) };
}

function curveControl(model, words) {
  const [low, high] = model.get("x_range");
  const [bottom, top] = model.get("y_range");
  const count = model.get("points");
  const xs = Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
  let ys = xs.map(() => (bottom + top) / 2);
  let [drawn, locked, at, scale, last] = [false, false, 0, null, null];
  const sheet = shape("svg", { class: "vq-sheet", tabindex: 0, role: "application", "aria-label": words.draw });
  const said = element("p", { "aria-live": "polite" }, words.draw);

  function draw() {
    scale = curveAxes(sheet, model);
    const blue = COLOURS.blue[+isDark(sheet)];
    sheet.append(axisNames(model),
      shape("path", { d: path(xs.map((x, i) => [scale.x(x), scale.y(ys[i])])), fill: "none", stroke: blue,
        "stroke-width": 2.4, opacity: drawn ? 1 : 0.35 }),
      shape("circle", { cx: scale.x(xs[at]), cy: scale.y(ys[at]), r: locked ? 0 : 5, fill: blue }));
  }
  /** Where a pointer is: the nearest point's number, and y. */
  function under(event) {
    const box = sheet.getBoundingClientRect();
    const view = sheet.viewBox.baseVal;
    const x = ((event.clientX - box.left) * view.width) / box.width;
    const y = ((event.clientY - box.top) * view.height) / box.height;
    const i = Math.round(((x - scale.x(low)) / (scale.x(high) - scale.x(low))) * (count - 1));
    const value = bottom + ((y - scale.y(bottom)) / (scale.y(top) - scale.y(bottom))) * (top - bottom);
    return [clip(i, 0, count - 1), clip(value, bottom, top)];
  }
  function move(event) {
    const [i, y] = under(event);
    const [from, start] = last ?? [i, y];
    // A fast pointer skips points: those between are on the line.
    for (let j = Math.min(i, from); j <= Math.max(i, from); j++) {
      ys[j] = i === from ? y : start + ((y - start) * (j - from)) / (i - from);
    }
    [last, at, drawn] = [[i, y], i, true];
    draw();
  }
  sheet.addEventListener("pointerdown", (event) => {
    if (locked) return;
    sheet.setPointerCapture(event.pointerId);
    last = null;
    move(event);
  });
  sheet.addEventListener("pointermove", (event) => { if (last && !locked) move(event); });
  sheet.addEventListener("pointerup", () => { last = null; });
  sheet.addEventListener("keydown", (event) => {
    const direction = arrow(event);
    if (!direction || locked) return;
    at = clip(at + direction[0], 0, count - 1);
    if (direction[1]) {
      ys[at] = clip(ys[at] + (direction[1] * (top - bottom)) / (event.shiftKey ? 10 : 40), bottom, top);
      drawn = true;
    }
    said.textContent = fill(words.point, { x: short(xs[at]), y: short(ys[at]) });
    draw();
  });
  const stops = [onTheme(draw), onWidth(sheet, draw)];
  return { node: element("div", {}, sheet, said), read: () => (drawn ? ys.map((y) => +y.toPrecision(4)) : null),
    focus: sheet, stop: () => stops.forEach((stop) => stop()),
    show: (guess) => { [ys, drawn] = [[...guess], true]; draw(); },
    lock: (state) => { locked = state; draw(); } };
}

function render({ model, el }) {
  const words = model.get("words");
  const kind = model.get("kind");
  const key = model.get("key");
  const controls = { number: numberControl, choice: choiceControl, curve: curveControl };
  const control = controls[kind](model, words);
  const said = element("p", { role: "status", "aria-live": "polite" });
  const commit = element("button", { type: "button", class: "vq-commit" }, words.commit);
  const root = frame("vq-predict", model.get("question"),
    element("p", {}, element("span", { class: "vq-title" }, `${words.title} `), model.get("question")),
    control.node, element("div", { class: "vq-controls" }, commit), said);
  el.replaceChildren(element("style", {}, SHARED_STYLE + GUESS_STYLE), root);

  function show(guess) {
    control.lock(guess !== null);
    commit.textContent = guess === null ? words.commit : words.change;
    said.textContent = "";
    if (guess === null) return;
    const text = kind === "curve" ? words.drawn : fill(words.committed, { guess: spoken(guess, model.get("unit")) });
    said.append(`${text} `, element("a", { href: `#answer-${key}` }, words.go));
  }
  let guess = readGuess(key);
  if (kind === "curve" ? Array.isArray(guess) && guess.length === model.get("points") : guess !== null) {
    control.show(guess);
  } else {
    guess = null;
  }
  show(guess);
  commit.addEventListener("click", () => {
    if (guess !== null) {
      guess = null;
      keepGuess(key, null);
      show(null);
      control.focus.focus();
      return;
    }
    guess = control.read();
    if (guess === null) {
      said.textContent = words.missing;
      control.focus.focus();
      return;
    }
    keepGuess(key, guess);
    show(guess);
  });
  return () => control.stop?.();
}

export default { render };
