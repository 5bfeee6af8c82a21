// Recall cards. A card that was known comes back after a longer time, one that was not comes back at
// once. The dates stay in the browser.

/** Days until a card comes back, by the box that it lies in. */
const INTERVALS = [0, 1, 3, 7, 16, 35, 90];

/** A day as a number: days since 1970 in the reader's own time zone. */
export const dayOf = (date) =>
  Math.floor((date.getTime() - date.getTimezoneOffset() * 60000) / 86400000);

/** Where a card goes after a grade (0 again, 1 good, 2 easy): its new box, and the day it is due. */
export function schedule(card, grade, today) {
  const box = grade === 0 ? 0 : clip((card?.box ?? 0) + grade, 1, INTERVALS.length - 1);
  return { box, due: today + INTERVALS[box] };
}

/** The cards as Anki reads them: one line each, a tab between front and back. */
export function ankiText(deck, cards) {
  const field = (text) => `"${text.replace(/\s+/g, " ").replaceAll('"', '""')}"`;
  const lines = cards.map(([front, back]) => `${field(front)}\t${field(back)}`);
  return ["#separator:tab", "#html:true", "#notetype:Basic", `#deck:${deck}`, ...lines, ""].join("\n");
}

const STYLE = `
.vq-recall .vq-title { font-weight: 650; font-size: 1em; }
.vq-recall .vq-card { border: 1px solid color-mix(in srgb, currentColor 35%, transparent); border-radius: 8px;
  padding: .8rem 1rem; margin: .6rem 0; min-height: 5.5rem; }
.vq-recall .vq-card p { font-size: 1em; margin: 0; }
.vq-recall .vq-card .vq-back { margin-top: .7rem; padding-top: .7rem;
  border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
.vq-recall .vq-row { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: center; margin-top: .5rem; }
.vq-recall a { font-size: .9em; display: inline-block; min-height: 24px; padding-top: .3rem; }
`;

function render({ model, el }) {
  const words = model.get("words");
  const cards = model.get("cards");
  const deck = model.get("deck");
  const place = `vq:cards:${deck}`;
  let known = {};
  try {
    known = JSON.parse(localStorage.getItem(place)) ?? {};
  } catch {
    // A browser that keeps nothing begins anew each time.
  }
  const today = () => dayOf(new Date());
  const dueOf = ([front]) => known[front]?.due ?? 0;
  let queue = [];
  let open = false;

  const count = element("p", { role: "status" });
  const face = element("p", { class: "vq-front" });
  const back = element("p", { class: "vq-back" });
  const card = element("div", { class: "vq-card", "aria-live": "polite" }, face, back);
  const row = element("div", { class: "vq-row" });
  const anki = element("a", {
    href: URL.createObjectURL(new Blob([ankiText(deck, cards)], { type: "text/plain" })),
    download: `${deck.toLowerCase().replace(/[^a-z0-9]+/g, "-")}.txt`,
  }, words.file);
  const root = frame("vq-recall", model.get("alt"), element("p", { class: "vq-title" }, words.title),
    count, card, row, element("p", {}, words.keys), anki);
  el.replaceChildren(element("style", {}, SHARED_STYLE + STYLE), root);

  function fillQueue(all) {
    queue = cards.filter((pair) => all || dueOf(pair) <= today());
    open = false;
  }
  function grade(mark) {
    const [pair] = queue.splice(0, 1);
    known[pair[0]] = schedule(known[pair[0]], mark, today());
    if (mark === 0) queue.push(pair);
    try {
      localStorage.setItem(place, JSON.stringify(known));
    } catch {
      // See above.
    }
    open = false;
    draw(true);
  }
  function turn() {
    open = true;
    draw(true);
  }
  function draw(focus) {
    const total = { total: cards.length, due: queue.length };
    const rest = queue.length === 0;
    card.hidden = rest;
    if (rest) {
      const next = new Date((Math.min(...cards.map(dueOf)) * 86400 + 43200) * 1000);
      const date = next.toLocaleDateString(document.documentElement.lang || "en", { day: "numeric", month: "long" });
      count.textContent = fill(words.rest, { date });
      row.replaceChildren(button(words.practise, () => { fillQueue(true); draw(true); }));
    } else {
      count.textContent = fill(words.due, total);
      face.innerHTML = queue[0][0];
      back.innerHTML = open ? queue[0][1] : "";
      back.hidden = !open;
      row.replaceChildren(...(open
        ? ["again", "good", "easy"].map((name, mark) => button(`${words[name]} (${mark + 1})`, () => grade(mark)))
        : [button(words.show, turn)]));
      // The book's typesetter; JupyterLab's is out of reach.
      window.MathJax?.typesetPromise?.([card]);
    }
    if (focus) row.querySelector("button").focus({ preventScroll: true });
  }
  root.addEventListener("keydown", (event) => {
    if (open && queue.length && "123".includes(event.key)) grade(+event.key - 1);
  });
  fillQueue(false);
  draw(false);
  return () => URL.revokeObjectURL(anki.href);
}

export default { render };
