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

nameArrows();
plainBibliography();
fit();
addEventListener("load", () => {
  fit();
  window.MathJax?.startup?.promise?.then(fit);
});
addEventListener("resize", fit);
