// What the theme leaves out for the keyboard and for screen readers.

// A sideways scroller takes the focus, so that arrow keys move it.
function letScrollersFocus() {
  for (const box of document.querySelectorAll(
    "mjx-container[display], div.math, .vq-derivation, .vq-derivation td, .vq-widget, .vq-figure, " +
      ".cell_output .output, .pst-scrollable-table-container, article pre",
  )) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls && getComputedStyle(box).overflowX !== "visible") box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
}

// A derivation that does not fit puts each reason under its step.
function foldDerivations() {
  for (const derivation of document.querySelectorAll(".vq-derivation")) {
    derivation.classList.remove("vq-folded");
    const fits = innerWidth > 600 && derivation.scrollWidth <= derivation.clientWidth;
    derivation.classList.toggle("vq-folded", !fits);
  }
}

function fit() {
  foldDerivations();
  letScrollersFocus();
}

// The arrow that unfolds a part of the navigation says what it unfolds.
function nameArrows() {
  for (const arrow of document.querySelectorAll("nav details > summary")) {
    const page = arrow.closest("li").querySelector("a").textContent.trim();
    arrow.setAttribute("aria-label", `Pages of ${page}`);
  }
}

// A bibliography is announced as a list, and holds links between its entries that no list may
// hold: it is read as plain text instead.
function plainBibliography() {
  document
    .querySelectorAll(".citation-list, .citation-list [role]")
    .forEach((node) => node.removeAttribute("role"));
}

// Two depths: a page opens with what a reader reads; one switch unfolds all code, and is remembered.
const DEPTH = "vq:all-code";
const SEEN = new Set(["Imports", "How this was drawn", "Show the code"]);

function readDepth() {
  try {
    return localStorage.getItem(DEPTH) === "yes";
  } catch {
    return false;
  }
}

function addDepthSwitch() {
  const folds = [...document.querySelectorAll("details.hide.above-input")];
  const place = document.querySelector(".article-header-buttons");
  if (!folds.length || !place) return;
  const all = document.createElement("button");
  all.type = "button";
  all.className = "vq-depth";
  all.textContent = "All code";
  all.title = "Show the code that is folded on this page, and on the others";
  // How something was drawn is offered beside each figure; the rest only with all code.
  folds.filter((fold) => !SEEN.has(fold.querySelector(".collapsed")?.textContent.trim()))
    .forEach((fold) => fold.classList.add("vq-quiet"));
  const turn = (open) => {
    all.setAttribute("aria-pressed", open);
    document.documentElement.classList.toggle("vq-all-code", open);
    folds.forEach((fold) => { fold.open = open; });
  };
  all.addEventListener("click", () => {
    const open = all.getAttribute("aria-pressed") !== "true";
    turn(open);
    try {
      localStorage.setItem(DEPTH, open ? "yes" : "no");
    } catch {
      // Without storage it holds for this page.
    }
  });
  turn(readDepth());
  place.prepend(all);
}

// A section whose heading begins with "Deeper:" is a side road: it is folded, and opens for whoever
// follows a link into it.
function foldSideRoads() {
  for (const section of document.querySelectorAll("article section")) {
    const heading = section.querySelector(":scope > :is(h2, h3)");
    if (!heading || !/^[\d.\s]*Deeper: /.test(heading.textContent)) continue;
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.append(heading);
    details.append(summary, ...section.childNodes);
    section.append(details);
    section.classList.add("vq-deeper");
  }
  openTarget();
}

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const inside = target.querySelector(":scope > details");
  if (inside && target.classList.contains("vq-deeper")) inside.open = true;
  let hidden = false;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) {
    hidden ||= !box.open;
    box.open = true;
  }
  if (hidden) target.scrollIntoView();
}

// On paper nothing can be opened: side roads and answers are printed, code stays folded.
let openedForPrint = [];
addEventListener("beforeprint", () => {
  openedForPrint = [...document.querySelectorAll("article details:not([open], .above-input, .vq-check)")];
  openedForPrint.forEach((box) => { box.open = true; });
});
addEventListener("afterprint", () => openedForPrint.forEach((box) => { box.open = false; }));

nameArrows();
plainBibliography();
addDepthSwitch();
foldSideRoads();
addEventListener("hashchange", openTarget);
fit();
addEventListener("load", () => {
  fit();
  window.MathJax?.startup?.promise?.then(fit);
});
addEventListener("resize", fit);
