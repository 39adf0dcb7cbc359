// A backend's row.

import { el, mark, say, set, show } from "./dom.js";
import { chart } from "./chart.js";
import { address, millis, number, percent, since, stateOf } from "./words.js";

/** Rows that are out of sight keep their state up to date and nothing else: so a thousand cost little. */
const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.isSeen = isIntersecting;
      if (isIntersecting) target.draw();
    }
  },
  { rootMargin: "300px" },
);

const cell = (spec, ...children) => el(spec, { role: "cell" }, ...children);

function parts() {
  const word = el("span");
  const shape = mark("up");
  const name = el("button.link.backend-name", { type: "button" });
  const why = el("p.backend-why");
  const fill = el("span.fill");
  const due = el("span.due");
  const share = el("p.share-text");
  const rate = { line: chart(["rate"]), text: el("span.text") };
  const latency = { line: chart(["p50", "p99"], { root: true }), text: el("span.text.wide") };
  const drain = el("button.plain", { type: "button" });
  return { word, shape, name, why, fill, due, share, rate, latency, drain };
}

/** Makes the row of a backend. */
export function backendRow(first) {
  const part = parts();
  const cells = {
    state: cell("td.state-cell", el("span.state", {}, part.shape, part.word)),
    name: cell("td.name-cell", part.name, part.why),
    share: cell("td.share-cell", el("div.share", { "aria-hidden": "true" }, el("span.share-track", {}, part.fill), part.due), part.share),
    rate: cell("td.rate", el("div.spark", {}, part.rate.line, part.rate.text)),
    errors: cell("td.number.labelled"),
    latency: cell("td.latency", el("div.spark", {}, part.latency.line, part.latency.text)),
    flight: cell("td.number.labelled"),
    open: cell("td.number.open.labelled"),
    act: cell("td.backend-act", part.drain),
  };
  for (const [key, label] of [["rate", "Requests/s"], ["errors", "Errors"], ["latency", "p50 / p99"], ["flight", "In flight"], ["open", "Conns"]]) set(cells[key], "data-label", label);
  const row = el("tr.backend", { role: "row" }, ...Object.values(cells));
  let item = first;
  part.name.addEventListener("click", () => item.open(item));
  part.drain.addEventListener("click", () => item.acts?.drain(item, part.drain));

  row.draw = () => {
    drawShare(part, item);
    drawLoad(part, cells, item);
  };
  row.update = (next) => {
    item = next;
    item.open = (known) => document.dispatchEvent(new CustomEvent("backend-opened", { detail: known }));
    drawState(row, part, item);
    drawAct(cells.act, part, item);
    if (row.isSeen ?? true) row.draw();
  };
  sight.observe(row);
  return row;
}

function drawState(row, part, { backend, now }) {
  const state = stateOf(backend);
  if (row.dataset.state !== state.key) {
    const isChange = row.dataset.state !== undefined;
    set(row, "data-state", state.key);
    part.shape.show(state.key);
    say(part.word, state.word);
    if (isChange) {
      row.classList.add("is-new");
      setTimeout(() => row.classList.remove("is-new"), 250);
    }
  }
  say(part.name, address(backend.url));
  set(part.name, "title", `${backend.url}: more`);
  const isSaid = state.key === "draining" || state.key === "disabled";
  const words = [`${isSaid ? `${backend.state.replace("_", " ")} ` : ""}for ${since(backend.since, now)}`];
  if (backend.is_draining && state.key !== "draining") words.push("draining");
  if (backend.weight !== 1) words.push(`weight ${backend.weight}`);
  const text = `${backend.cause ?? ""}|${words.join(" · ")}`;
  if (part.why.said !== text) {
    part.why.said = text;
    part.why.replaceChildren(...(backend.cause ? [el("code", {}, backend.cause), " · "] : []), words.join(" · "));
    set(part.why, "title", new Date(backend.since).toLocaleString("en-GB"));
  }
}

function drawShare(part, { backend, tops }) {
  part.fill.style.transform = `scaleX(${(backend.share ?? 0) / tops.share})`;
  part.due.style.left = `${((backend.share_expected ?? 0) / tops.share) * 100}%`;
  say(part.share, `${percent(backend.share)} of ${percent(backend.share_expected)}`);
}

function drawLoad(part, cells, { backend, tops, points }) {
  part.rate.line.draw([backend.series.rate], points, tops.rate);
  say(part.rate.text, number(backend.rate));
  say(cells.errors, percent(backend.error_ratio));
  cells.errors.classList.toggle("is-raised", backend.error_ratio >= 0.01);
  cells.errors.classList.toggle("quiet", !backend.error_ratio);
  part.latency.line.draw([backend.series.p50, backend.series.p99], points, tops.latency);
  const times = backend.latency_ms;
  say(part.latency.text, times ? `${millis(times.p50)} / ${millis(times.p99)}` : "–");
  say(cells.flight, number(backend.in_flight));
  say(cells.open, number(backend.connections.open));
}

function drawAct(place, part, { backend, acts }) {
  show(part.drain, acts && !backend.is_disabled);
  if (!acts) return;
  const word = backend.is_draining ? "Undrain" : "Drain";
  say(part.drain, word);
  set(part.drain, "aria-label", `${word} ${backend.url}`);
}
