// Small live charts: SVG paths, so that they are sharp at every size and take their colours from the style sheet.

import { svg, el } from "./dom.js";

const HEIGHT = 32;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * A chart of the last seconds: `lines` names its lines, the first of which has an area below it; `errors` adds columns
 * to it; a `root` scale shows what is small beside what is large, as p50 beside p99.
 */
export function chart(lines, { slides = false, errors = false, root = false } = {}) {
  const area = svg("path", { class: "area" });
  const paths = lines.map((_, at) => svg("path", { class: at ? "second" : "line" }));
  const bars = errors ? svg("path", { class: "errors" }) : null;
  const picture = svg("svg", { preserveAspectRatio: "none" }, area, ...(bars ? [bars] : []), ...paths);
  const made = el("div.chart", { "aria-hidden": "true" }, picture);
  const scale = new Scale();

  /** Draws `series`, an array per line; `points` fit; `top` is the value at the upper edge, or null for its own. */
  made.draw = (series, points, top = null, failures = null) => {
    const all = top ?? scale.of(series.length ? series : [failures]);
    const height = (share) => (root ? Math.sqrt(share) : share) * (HEIGHT - 3);
    const y = (value) => HEIGHT - 1 - height(Math.min(value, all) / all);
    picture.setAttribute("viewBox", `0 0 ${points - 1} ${HEIGHT}`);
    series.forEach((values, at) => paths[at].setAttribute("d", curve(values, points, y)));
    if (series.length) area.setAttribute("d", below(series[0], points, y));
    if (bars && failures) bars.setAttribute("d", columns(failures, (count, at) => (series.length ? count / (series[0][at] || count) : count / all), points));
    if (slides && !calm.matches) slide(picture, points);
  };
  return made;
}

/** Moves the picture by one second within one second, which the compositor does without drawing anything. */
function slide(picture, points) {
  picture.sliding?.cancel();
  const step = 100 / (points - 1);
  const way = { transform: [`translateX(${step}%)`, "translateX(0)"] };
  picture.sliding = picture.animate(way, { duration: 1000, easing: "linear" });
}

/** The value at the upper edge: round, up at once, down only when half of it would do, so that nothing jumps. */
export class Scale {
  #top = 0;

  of(series) {
    let most = 0;
    for (const values of series) for (const value of values) if (value > most) most = value;
    const wanted = round(most);
    if (wanted > this.#top || wanted < this.#top / 2) this.#top = wanted;
    return this.#top || 1;
  }
}

function round(value) {
  if (value <= 0) return 0;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 5, 7.5, 10].map((step) => step * ten).find((step) => step >= value * 1.05) ?? 10 * ten;
}

/** Splits at the seconds without a value; x is the second, the last one at the right edge. */
function runs(values, points) {
  const found = [];
  let run = null;
  const first = points - values.length;
  values.forEach((value, at) => {
    if (value === null) return (run = null);
    if (!run) found.push((run = []));
    run.push([first + at, value]);
  });
  return found;
}

const short = (value) => value.toFixed(1);

/** A smooth line: through the middles between points, bent by the points. */
function smooth(run, y) {
  const [first] = run;
  const last = run[run.length - 1];
  let path = `M${first[0]} ${short(y(first[1]))}`;
  for (let at = 1; at < run.length - 1; at++) {
    const [x, value] = run[at];
    const [after, next] = run[at + 1];
    path += `Q${x} ${short(y(value))} ${(x + after) / 2} ${short((y(value) + y(next)) / 2)}`;
  }
  return `${path}L${last[0] + (run.length === 1 ? 0.01 : 0)} ${short(y(last[1]))}`;
}

const curve = (values, points, y) => runs(values, points).map((run) => smooth(run, y)).join("");

function below(values, points, y) {
  const close = (run) => `${smooth(run, y)}V${HEIGHT}H${run[0][0]}Z`;
  return runs(values, points).map(close).join("");
}

/** A column from the ground for each second with errors, as high as `share` says. */
function columns(errors, share, points) {
  let path = "";
  const first = points - errors.length;
  errors.forEach((count, at) => {
    if (!count) return;
    const height = Math.max(2, Math.min(1, share(count, at)) * (HEIGHT - 3));
    path += `M${first + at - 0.4} ${HEIGHT}v${short(-height)}h.8v${short(height)}Z`;
  });
  return path;
}
