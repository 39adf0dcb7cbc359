// The pools, and in each its backends. Rows stay where they are and change in place.

import { byId, el, keyed, say, set, show, svg } from "./dom.js";
import { chart, Scale } from "./chart.js";
import { backendRow } from "./row.js";
import { drawField } from "./summary.js";
import { count, millis, number, percent, stateOf } from "./words.js";

/** Rows of a pool that are shown without being asked for. */
const ROWS = 40;

/** As many backends make a filter worth its place. */
const FILTER_FROM = 12;

const view = { filter: "", stats: null };

/** Draws all pools; `acts` are what may be done to backends, `null` if nothing. */
export function drawPools(stats, now, points, acts) {
  Object.assign(view, { stats, now, points, acts });
  const all = stats.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  show(byId("filter-row"), all >= FILTER_FROM);
  const shown = stats.pools.map((pool) => ({ pool, backends: matching(pool) }));
  const hits = shown.reduce((sum, { backends }) => sum + backends.length, 0);
  say(byId("filter-count"), view.filter ? `${number(hits)} of ${number(all)}` : "");
  const kept = view.filter ? shown.filter(({ backends }) => backends.length) : shown;
  keyed(byId("pools"), kept, ({ pool }) => pool.name, ({ pool }) => poolPanel(pool.name));
}

/** Draws them anew as the filter says. */
export function filterBy(text) {
  view.filter = text.trim().toLowerCase();
  if (view.stats) drawPools(view.stats, view.now, view.points, view.acts);
}

function matching(pool) {
  const { filter } = view;
  if (!filter || pool.name.toLowerCase().includes(filter)) return pool.backends;
  const has = (backend) => `${backend.url} ${stateOf(backend).word} ${backend.cause ?? ""}`.toLowerCase().includes(filter);
  return pool.backends.filter(has);
}

const COLUMNS = [
  ["state", "State"],
  ["name", "Backend"],
  ["share", "Share, and due"],
  ["rate", "Requests/s"],
  ["errors", "Errors", "number"],
  ["latency", "p50 / p99, ms"],
  ["flight", "In flight", "number"],
  ["open", "Conns", "number"],
  ["act", ""],
];

function table(name, body) {
  const head = COLUMNS.map(([key, title, kind]) => {
    const cell = el(`th.col-${key}`, { scope: "col", role: "columnheader" }, title);
    if (kind) cell.classList.add(kind);
    if (key === "act") cell.append(el("span.unseen", {}, "What can be done"));
    return cell;
  });
  const row = el("tr", { role: "row" }, ...head);
  // A phone shows rows as cards, which would take the meaning of a table from them: so it is said.
  const caption = el("caption.unseen", {}, `Backends of pool ${name}`);
  return el("table.backends", { role: "table" }, caption, el("thead", { role: "rowgroup" }, row), body);
}

function figure(list, title) {
  const value = el("dd");
  list.append(el("div", {}, el("dt", {}, title), value));
  return value;
}

function poolPanel(name) {
  const id = `pool-${name}`;
  const arrow = svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, svg("path", { d: "M3 1l4 4-4 4" }));
  const toggle = el("button.link", { type: "button", "aria-expanded": "true", "aria-controls": `${id}-rows` }, arrow, name);
  const tally = el("p.pool-count");
  const list = el("dl.figures");
  const figures = { rate: figure(list, "Requests/s"), errors: figure(list, "Errors"), p50: figure(list, "p50"), p99: figure(list, "p99") };
  const line = chart(["rate"], { slides: true, errors: true });
  const chips = el("div.chips");
  const field = el("div.field", { "aria-hidden": "true" });
  const head = el("header.pool-head", {}, el("div", {}, el("h2", { id }, toggle), tally), line, list, chips);
  const body = el("tbody", { role: "rowgroup" });
  const all = el("button.plain", { type: "button" });
  const more = el("div.more", { hidden: true }, all);
  const rows = el("div", { id: `${id}-rows` }, table(name, body), more);
  const made = el("section.panel.pool", { "aria-labelledby": id }, head, rows);
  const scales = { rate: new Scale(), latency: new Scale() };
  let [isOpen, isWhole, last] = [true, false, null];

  toggle.addEventListener("click", () => {
    isOpen = !isOpen;
    set(toggle, "aria-expanded", String(isOpen));
    made.update(last);
  });
  all.addEventListener("click", () => {
    isWhole = !isWhole;
    made.update(last);
  });

  made.update = (item) => {
    last = item;
    const { pool } = item;
    drawHead({ pool, tally, figures, line, chips, field, head });
    show(rows, isOpen);
    if (!isOpen) return;
    const backends = isWhole ? item.backends : foremost(item.backends);
    const tops = {
      rate: scales.rate.of(pool.backends.map((backend) => backend.series.rate)),
      latency: scales.latency.of(pool.backends.map((backend) => backend.series.p99)),
      share: pool.backends.reduce((most, backend) => Math.max(most, backend.share ?? 0, backend.share_expected ?? 0), 0) / 0.8 || 1,
    };
    const { now, points, acts } = view;
    keyed(body, backends.map((backend) => ({ pool, backend, tops, now, points, acts })), ({ backend }) => backend.url, backendRow);
    show(more, item.backends.length > ROWS);
    say(all, isWhole ? `Show ${ROWS} of them` : `Show all ${number(item.backends.length)} backends`);
  };
  return made;
}

/** Those that something is the matter with come first where not all are shown. */
function foremost(backends) {
  if (backends.length <= ROWS) return backends;
  const isWell = (backend) => stateOf(backend).key === "up";
  return [...backends.filter((backend) => !isWell(backend)), ...backends.filter(isWell)].slice(0, ROWS);
}

function drawHead({ pool, tally, figures, line, chips, field, head }) {
  const states = pool.backends.map((backend) => stateOf(backend).key);
  const up = states.filter((state) => state === "up").length;
  const isBad = states.includes("down");
  say(tally, `${number(up)} of ${number(states.length)} UP`);
  tally.classList.toggle("is-bad", isBad);
  say(figures.rate, number(pool.rate));
  say(figures.errors, percent(pool.error_ratio));
  figures.errors.classList.toggle("is-raised", pool.error_ratio >= 0.01);
  say(figures.p50, pool.latency_ms ? `${millis(pool.latency_ms.p50)} ms` : "–");
  say(figures.p99, pool.latency_ms ? `${millis(pool.latency_ms.p99)} ms` : "–");
  line.draw([pool.series.rate], view.points, null, pool.series.errors);
  const words = notices(pool);
  keyed(chips, words, (text) => text.split(":")[0], () => {
    const chip = el("span.chip");
    chip.update = (text) => say(chip, text);
    return chip;
  });
  if (states.length > ROWS) {
    if (!field.isConnected) head.append(field);
    field.style.gridColumn = "1 / -1";
    drawField(field, states);
  } else field.remove();
}

function notices(pool) {
  const words = [];
  if (pool.mode === "panic") words.push("panic: all backends are used, whatever their state");
  if (pool.mode === "closed") words.push("closed: too few backends are left");
  if (pool.circuit === "open") words.push("circuit open: requests are refused for a while");
  if (pool.circuit === "half_open") words.push("circuit half open: some requests are let through");
  if (pool.waiting) words.push(`queue: ${count(pool.waiting, "request")} waiting`);
  return words;
}

