// What a reader has guessed on this page. It is kept in the browser and goes nowhere.

const GUESSED = "vq-guess"; // the event that tells an answer of a new guess
const place = (key) => `vq:guess:${location.pathname}:${key}`;

/** The guess for a question, or null; a browser that keeps nothing gives null. */
function readGuess(key) {
  try {
    return JSON.parse(localStorage.getItem(place(key)));
  } catch {
    return null;
  }
}

/** Keep a guess, or forget it where it is null, and tell the answer. */
function keepGuess(key, guess) {
  try {
    if (guess === null) localStorage.removeItem(place(key));
    else localStorage.setItem(place(key), JSON.stringify(guess));
  } catch {
    // Without storage the guess lives as long as the page.
  }
  dispatchEvent(new CustomEvent(GUESSED, { detail: { key, guess } }));
}

/** A guess as people say it. */
const spoken = (guess, unit) =>
  typeof guess === "number" ? `${short(guess)}${unit ? ` ${unit}` : ""}` : `“${guess}”`;

/** Axes of a curve, 210 high, and the scales. */
const curveAxes = (drawing, model) => axes(drawing, {
  height: 210, xRange: model.get("x_range"), yRange: model.get("y_range"),
  xTicks: ticks(...model.get("x_range"), 5), yTicks: ticks(...model.get("y_range"), 4),
  xName: "", left: 46, top: 24,
});

/** Name both axes, above the drawing. */
const axisNames = (model) => shape("text", { x: 4, y: 12 },
  fill(model.get("words").axes, { x: model.get("x_name"), y: model.get("y_name") }));

const GUESS_STYLE = `
.vq-predict p { font-size: 1em; margin: .3rem 0; }
.vq-predict .vq-title { font-weight: 650; }
.vq-predict .vq-controls { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin-top: .5rem; }
.vq-predict .vq-controls label { margin: 0; }
.vq-predict fieldset { display: grid; gap: .15rem; }
.vq-predict fieldset label { display: flex; gap: .5rem; align-items: baseline; margin: 0; min-height: 24px; padding: .15rem 0; }
.vq-predict input[type=number] { font: inherit; width: 6.5rem; min-height: 2rem; padding: 0 .4rem;
  color: inherit; background: none; border: 1px solid currentColor; border-radius: 6px; }
.vq-predict input:focus-visible { outline: 3px solid #2f86b8; outline-offset: 2px; }
.vq-predict .vq-commit { font-weight: 650; padding: 0 1rem; }
.vq-predict a { display: inline-block; min-height: 24px; }
.vq-predict svg.vq-sheet { cursor: crosshair; touch-action: none; margin-top: .4rem; }
`;
