// The Bloch sphere as it is drawn: seen from a side, with its back dashed.

const [X, Y, Z] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];

/** How a point is seen, in units of the radius: to the right, up, and towards the eye. */
export function project([x, y, z], { azimuth, elevation }) {
  const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
  const along = x * Math.cos(a) + y * Math.sin(a);
  return [
    y * Math.cos(a) - x * Math.sin(a),
    z * Math.cos(e) - along * Math.sin(e),
    z * Math.sin(e) + along * Math.cos(e),
  ];
}

/** Points of a circle around two axes, and of a line along one. */
const circle = (one, other) => Array.from({ length: 97 }, (_, i) => {
  const t = (i * Math.PI) / 48;
  return one.map((value, k) => value * Math.cos(t) + other[k] * Math.sin(t));
});
const straight = (axis, far) => [-far, -0.01, 0.01, far].map((at) => axis.map((value) => at * value));

/** The points of a curve, cut where it passes from the front of the sphere to its back. */
function pieces(points) {
  const found = [];
  points.forEach((point, i) => {
    const back = point[2] < -1e-9;
    if (found.at(-1)?.back === back) found.at(-1).points.push(point);
    // The pieces meet.
    else found.push({ back, points: i ? [points[i - 1], point] : [point] });
  });
  return found;
}

/**
 * What draws on a sphere: the place of a point on the screen, and lines through points. The drawing
 * takes the width of its place. Beside and above the ball there is room for names, below it for more;
 * `most` is the largest radius.
 */
function pencil(drawing, view, { most, beside, above, below = 0 }) {
  const width = drawing.getBoundingClientRect().width || 320;
  const radius = Math.min(most, (width / 2 - beside) / 1.1);
  const [cx, cy] = [width / 2, radius + above];
  const height = 2 * cy + below;
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("height", height);
  const seen = (point) => {
    const [right, up, near] = project(point, view);
    return [cx + radius * right, cy - radius * up, near];
  };
  const line = (points, attributes) =>
    shape("g", { fill: "none", ...attributes },
      ...pieces(points.map(seen)).map(({ back, points: some }) =>
        shape("path", { d: path(some), ...(back && { "stroke-dasharray": "3 3", opacity: 0.6 }) })));
  return { seen, line, radius, cx, cy, width };
}

/** The ball, its equator, two meridians and the three axes. */
function drawBall({ line, radius, cx, cy }) {
  const thin = { stroke: "currentColor", opacity: 0.35 };
  const clear = { ...thin, opacity: 0.7 };
  return [
    shape("circle", { cx, cy, r: radius, fill: "currentColor", "fill-opacity": 0.04,
      stroke: "currentColor", "stroke-opacity": 0.6 }),
    line(circle(X, Z), thin), line(circle(Y, Z), thin), line(circle(X, Y), clear),
    ...[X, Y, Z].map((axis) => line(straight(axis, 1.1), clear)),
  ];
}

/**
 * Names at the ends of the axes: [letter, state, axis, sign]. They stand `out` of the ends, and one
 * that is not `apart` from those before it is left out.
 */
function drawNames({ seen, cx, cy }, ends, { out, apart }) {
  const kept = [];
  return ends.flatMap(([letter, state, axis, sign]) => {
    const [x, y] = seen(axis.map((value) => 1.1 * sign * value));
    const far = Math.hypot(x - cx, y - cy) || 1;
    const [left, top] = [x + (out[0] * (x - cx)) / far, y + (out[1] * (y - cy)) / far];
    if (kept.some((other) => Math.abs(other[0] - left) < apart[0] && Math.abs(other[1] - top) < apart[1])) {
      return [];
    }
    kept.push([left, top]);
    const axisName = shape("tspan", { "font-style": "italic", "font-weight": 400 }, letter);
    return shape("text", { class: "vq-halo", x: left, y: top + 5, "text-anchor": "middle" },
      ...(letter ? [axisName, " "] : []), state);
  });
}

/** An arrow from the centre. Where it points to the back it is dashed, with an open head. */
function drawArrow({ seen, cx, cy }, tip, colour, head = 12) {
  const [x, y, near] = seen(tip);
  const long = Math.hypot(x - cx, y - cy);
  const back = near < -1e-9;
  const ink = { stroke: colour, "stroke-width": 3, "stroke-linejoin": "round",
    fill: back ? "var(--vq-paper, var(--jp-layout-color0, Canvas))" : colour };
  // Seen from one of its ends, an arrow is a dot.
  if (long < head + 2) return [shape("circle", { class: "vq-tip", cx: x, cy: y, r: head / 2, ...ink })];
  const [u, v] = [(x - cx) / long, (y - cy) / long];
  const half = (5 * head) / 12;
  const [left, right] = [-half, half].map((side) => [x - head * u - side * v, y - head * v + side * u]);
  const shaft = path([[cx, cy], [x - (head - 1) * u, y - (head - 1) * v]]);
  return [
    shape("path", { d: shaft, ...ink, ...(back && { "stroke-dasharray": "5 3" }) }),
    shape("path", { class: "vq-tip", d: `${path([left, [x, y], right])}Z`, ...ink, "stroke-width": 1.5 }),
  ];
}
