// What happened, what failed, and the ways in: events, failures, listeners and routes.

import { byId, el, keyed, mark, say } from "./dom.js";
import { address, clock, count, eventLook, millis, number, percent } from "./words.js";

/** More are in `/v1/events`. */
const EVENTS_SHOWN = 100;

/** Draws the events, the latest first. */
export function drawEvents(events, now) {
  const shown = events.slice(-EVENTS_SHOWN).reverse();
  const items = shown.map((event) => ({ event, now }));
  keyed(byId("events"), items.length ? items : [null], (item) => item?.event.key ?? "none", (item) => (item ? eventItem(item) : nothing("li", "Nothing has happened yet.")));
}

function nothing(name, text) {
  const made = el(`${name}.empty`, {}, text);
  made.update = () => {};
  return made;
}

function eventItem({ event }) {
  const [shape, tone] = eventLook(event.kind);
  const place = [event.pool, event.backend && address(event.backend)].filter(Boolean).join(" · ");
  const when = el("time.when", { datetime: event.at });
  const made = el("li", { "data-tone": tone }, mark(shape), el("span.where", {}, place || "Nexus"), el("span.text", {}, event.text), when);
  made.update = ({ now }) => say(when, `${clock(event.at, now)}${event.by ? `, by ${event.by}` : ""}`);
  return made;
}

/** Draws the failures, the latest first. */
export function drawFailures(failures, now) {
  const seen = new Map();
  const items = failures.map((failure) => {
    const base = `${failure.at} ${failure.client} ${failure.path} ${failure.duration_ms}`;
    seen.set(base, (seen.get(base) ?? 0) + 1);
    return { failure, now, key: `${base} ${seen.get(base)}` };
  });
  keyed(byId("failures"), items.length ? items : [{ key: "none" }], ({ key }) => key, (item) =>
    item.failure ? failureItem(item.failure) : nothing("p", "No request has failed for another reason than its client's."),
  );
}

function failureItem(failure) {
  const when = el("time.quiet", { datetime: failure.at });
  const request = `${failure.method} ${failure.host ?? ""}${failure.path}`;
  const summary = el(
    "summary",
    {},
    when,
    el("span.status", {}, String(failure.status)),
    el("code.code", {}, failure.reason ?? ""),
    el("span.request", { title: request }, request),
    el("span.tries.quiet", {}, count(failure.attempts.length, "attempt")),
  );
  const made = el("details.failure", {}, summary);
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(inside(failure));
  });
  made.update = ({ now }) => say(when, clock(failure.at, now));
  return made;
}

function inside(failure) {
  const known = [
    ["Request", `${failure.method} ${failure.host ?? ""}${failure.path} (${failure.protocol})`],
    ["Client", failure.client],
    ["Answer", `${failure.status} after ${millis(failure.duration_ms)} ms`],
    ["Route", failure.route],
    ["Pool", failure.pool],
    ["Not retried", failure.not_retried],
    ["Request id", failure.request_id],
    ["Trace id", failure.trace_id],
  ];
  const attempts = failure.attempts.map((attempt) =>
    el("li", {}, `${address(attempt.backend)}: `, el("code", {}, attempt.reason ?? "answered"), ` in ${attempt.phase ?? "the attempt"} after ${millis(attempt.duration_ms)} ms`),
  );
  const list = attempts.length ? el("ol", {}, ...attempts) : el("p.quiet", {}, "No backend was asked.");
  return el("div.inside", {}, list, pairs(known));
}

/** A list of names and values, without those that have none. */
export function pairs(known) {
  const there = known.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl.pairs", {}, ...there.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]));
}

const LOAD = [
  ["Requests/s", ({ rate }) => number(rate)],
  ["Errors", ({ error_ratio }) => percent(error_ratio)],
  ["p50, ms", ({ latency_ms }) => millis(latency_ms?.p50)],
  ["p99, ms", ({ latency_ms }) => millis(latency_ms?.p99)],
];

/** Draws listeners and routes. */
export function drawPaths({ listeners, routes }) {
  const place = byId("listeners");
  const tables = [{ name: "Listener", rows: listeners, title: (listener) => `${listener.address}${listener.is_tls ? ", TLS" : ""}`, columns: [["Conns", ({ connections }) => number(connections.open)], ...LOAD] }];
  if (routes.length) tables.push({ name: "Route", rows: routes, title: ({ name }) => name, columns: LOAD });
  keyed(place, tables, ({ name }) => name, pathTable);
}

function pathTable({ name, columns }) {
  const head = el("tr", {}, el("th", { scope: "col" }, name), ...columns.map(([title]) => el("th.number", { scope: "col" }, title)));
  const body = el("tbody");
  const made = el("table.paths", {}, el("caption.unseen", {}, `${name}s`), el("thead", {}, head), body);
  made.update = ({ rows, title }) => keyed(body, rows, title, () => pathRow(columns, title));
  return made;
}

function pathRow(columns, title) {
  const name = el("td");
  const cells = columns.map(() => el("td.number"));
  const made = el("tr", {}, name, ...cells);
  made.update = (row) => {
    say(name, title(row));
    columns.forEach(([, text], at) => say(cells[at], text(row)));
  };
  return made;
}
