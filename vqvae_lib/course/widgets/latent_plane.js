// needs: network plane
// The latent plane: a decoder with a two-dimensional code, run in the browser. One plane, or several
// side by side. One module for JupyterLab and for the built book; everything it needs is in the
// model's traits.

const STYLE = `
.vq-plane { display: flex; flex-wrap: wrap; gap: 1rem 1.6rem; align-items: flex-start; }
.vq-plane .vq-map { flex: 1 1 260px; max-width: ${PLANE}px; }
.vq-plane .vq-view { flex: 1 1 180px; max-width: 220px; }
/* Titles, maps and images stand in common rows. */
.vq-planes { display: grid; gap: 1rem 1.6rem;
  grid-template-columns: repeat(auto-fit, minmax(min(240px, 100%), 1fr)); }
.vq-planes section { display: grid; grid-row: span 3; grid-template-rows: subgrid;
  row-gap: .6rem; max-width: ${PLANE}px; }
.vq-planes .vq-plane { display: grid; grid-row: span 2; grid-template-rows: subgrid; row-gap: .8rem; }
.vq-planes .vq-title { margin: 0; font-size: 1em; font-weight: 600; }
.vq-planes .vq-view { max-width: none; display: grid; gap: 0 1rem;
  grid-template-columns: 110px 1fr; align-content: start; }
.vq-planes .vq-view canvas { grid-row: 1 / span 3; }
.vq-planes .vq-view > :nth-child(2) { margin-top: 0; min-height: 4.4em; }
`;

/** One plane in `el`; gives back what ends it. */
function renderPlane(model, el, words) {
  const network = unpack(model.get("layers"));
  const { map, caption, view, readout, sliders, start } =
    plane(model, words, (z) => ({ image: decode(network, z) }));
  el.append(frame("vq-plane", model.get("alt"),
    element("div", { class: "vq-map" }, map, caption),
    element("div", { class: "vq-view" }, view, readout, ...sliders)));
  return start();
}

/** One plane among several, as a model of its own: its point is one of the model's points. */
function planeOf(model, index) {
  return {
    get: (name) => (name === "z" ? model.get("points")[index] : model.get("planes")[index][name]),
    set: (_name, z) =>
      model.set("points", model.get("points").map((point, i) => (i === index ? z : point))),
    on: (_event, callback) => model.on("change:points", callback),
    off: (_event, callback) => model.off("change:points", callback),
    save_changes: () => model.save_changes(),
  };
}

function render({ model, el }) {
  const words = model.get("words");
  const style = element("style", {}, SHARED_STYLE + PLANE_STYLE + STYLE);
  const planes = model.get("planes");
  if (!planes) {
    el.replaceChildren(style);
    return renderPlane(model, el, words);
  }
  const columns = planes.map(({ title }) =>
    element("section", { "aria-label": title }, element("p", { class: "vq-title" }, title)));
  el.replaceChildren(style, frame("vq-planes", model.get("alt"), ...columns));
  const ends = columns.map((column, index) => renderPlane(planeOf(model, index), column, words));
  return () => ends.forEach((end) => end());
}

export default { render };
