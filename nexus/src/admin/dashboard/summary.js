// What is seen from across the room: one sentence, and five numbers.

import { byId, el, say, set, show } from "./dom.js";
import { chart } from "./chart.js";
import { address, millis, number, percent, since, span, stateOf } from "./words.js";

/** Draws the bar, the sentence and the tiles. */
export function drawSummary(stats, now, points) {
  say(byId("version"), stats.version);
  say(byId("uptime"), `up ${span(stats.uptime_seconds)}`);
  const all = stats.pools.flatMap((pool) => pool.backends.map((backend) => ({ pool, backend, state: stateOf(backend) })));
  drawHeadline(stats, all, now);
  drawTiles(stats, all, points);
}

const TROUBLE = ["down", "ejected", "half-open"];

/** Says what is the matter. Pure: pools and backends in, mood, shape and words out. */
export function headline(pools, all, now) {
  const of = (key) => all.filter(({ state }) => state.key === key);
  const many = all.length;
  const closed = pools.find((pool) => pool.mode === "closed" || pool.circuit === "open");
  const panic = pools.find((pool) => pool.mode === "panic");
  const [down, ejected, tried] = TROUBLE.map(of);
  const more = others([], of("draining"), of("disabled"));
  if (closed) {
    const why = closed.mode === "closed" ? "closed: too few backends are left" : "closed: too many answers are bad";
    return ["bad", "down", `Pool ${closed.name} is ${why}`, where(down, now) || more];
  }
  if (down.length) {
    const text = down.length === 1 ? `${address(down[0].backend.url)} is DOWN` : `${down.length} of ${many} backends are DOWN`;
    return ["bad", "down", text, join(where(down, now), others([...ejected, ...tried], of("draining"), of("disabled")))];
  }
  if (panic) return ["warn", "notice", `Pool ${panic.name} is in panic: all its backends are used`, more];
  const out = [...ejected, ...tried];
  if (out.length) {
    const word = ejected.length ? "ejected" : "tried out after an ejection";
    const text = out.length === 1 ? `${address(out[0].backend.url)} is ${word}` : `${out.length} of ${many} backends are ejected`;
    return ["warn", ejected.length ? "ejected" : "half-open", text, join(where(out, now), more)];
  }
  if (!many) return ["warn", "notice", "No backends are configured", ""];
  if (more) return ["well", "up", "All is well", more];
  return ["well", "up", `All ${many === 1 ? "is well: the backend is" : `${many} backends are`} UP`, longest(all, now)];
}

function where(found, now) {
  if (!found.length) return "";
  const one = ({ pool, backend }, single) =>
    `${single ? "in" : `${address(backend.url)} in`} ${pool.name} for ${since(backend.since, now)}${backend.cause ? `, ${backend.cause}` : ""}`;
  if (found.length === 1) return one(found[0], true);
  const shown = found.slice(0, 3).map((item) => one(item, false));
  return shown.join(" · ") + (found.length > 3 ? ` · and ${found.length - 3} more` : "");
}

const join = (first, second) => (first && second ? `${first} · ${second}` : first || second);

/** What else is not as usual, in a few words. */
function others(...found) {
  const words = ["ejected", "draining", "disabled"].map((word, at) => {
    const these = found[at];
    if (!these.length) return "";
    return these.length === 1 ? `${address(these[0].backend.url)} is ${word}` : `${these.length} backends are ${word}`;
  });
  return words.filter(Boolean).join(", ");
}

/** For how long nothing has changed. */
function longest(all, now) {
  const last = all.reduce((latest, { backend }) => (backend.since > latest ? backend.since : latest), "");
  return last ? `No backend has changed for ${since(last, now)}` : "";
}

function drawHeadline(stats, all, now) {
  const [mood, shape, text, more] = headline(stats.pools, all, now);
  set(byId("headline"), "data-mood", mood);
  set(byId("headline-mark"), "href", `#mark-${shape}`);
  say(byId("headline-text"), text);
  say(byId("headline-more"), stats.is_counting ? more : `${more ? `${more} · ` : ""}metrics are off, so nothing is counted`);
  const down = all.filter(({ state }) => state.key === "down").length;
  document.title = down ? `▼ ${down} DOWN · Nexus` : mood === "well" ? "Nexus" : `◆ ${text} · Nexus`;
  set(byId("icon"), "href", mood === "bad" ? "/dashboard/icon-down.svg" : "/dashboard/icon.svg");
}

function tile(title, picture) {
  const value = el("span");
  const unit = el("span.unit");
  const made = el("div.panel.tile", {}, el("h2", {}, title), el("p.value", {}, value, unit), picture);
  made.picture = picture;
  made.say = (text, what) => {
    say(value, text);
    say(unit, what);
  };
  return made;
}

let tiles = null;

function makeTiles() {
  const field = el("div.field", { "aria-hidden": "true" });
  tiles = {
    rate: tile("Requests", chart(["rate"], { slides: true })),
    errors: tile("Errors", chart([], { slides: true, errors: true })),
    latency: tile("Latency, p50 and p99", chart(["p50", "p99"], { slides: true, root: true })),
    flight: tile("In flight", chart(["in flight"], { slides: true })),
    backends: tile("Backends", field),
  };
  byId("tiles").append(...Object.values(tiles));
}

/** The server keeps no series of it, so the page does. */
const flights = [];

function drawTiles(stats, all, points) {
  if (!tiles) makeTiles();
  const { total } = stats;
  show(byId("tiles"), true);
  tiles.rate.say(number(total.rate), "per second");
  tiles.rate.picture.draw([total.series.rate], points);
  tiles.errors.say(percent(total.error_ratio), `${number(total.errors)} in all`);
  tiles.errors.picture.draw([], points, null, total.series.errors);
  tiles.errors.classList.toggle("is-bad", total.error_ratio >= 0.01);
  const latency = total.latency_ms;
  tiles.latency.say(latency ? `${millis(latency.p50)} / ${millis(latency.p99)}` : "–", "ms");
  tiles.latency.picture.draw([total.series.p50, total.series.p99], points);
  const flight = stats.pools.reduce((sum, pool) => sum + pool.in_flight, 0);
  const waiting = stats.pools.reduce((sum, pool) => sum + pool.waiting, 0);
  flights.push(flight);
  if (flights.length > points) flights.splice(0, flights.length - points);
  tiles.flight.say(number(flight), waiting ? `and ${number(waiting)} waiting` : "");
  tiles.flight.picture.draw([flights], points);
  const well = all.filter(({ state }) => state.key === "up").length;
  tiles.backends.say(number(well), `of ${number(all.length)} UP`);
  drawField(tiles.backends.picture, all.map(({ state }) => state.key));
}

/** Draws a mark for each state, as many as can be told apart. */
export function drawField(field, states) {
  /** More would be dust. */
  const MARKS_MAX = 240;
  const shown = states.length > MARKS_MAX ? inParts(states, MARKS_MAX) : states;
  field.classList.toggle("is-many", shown.length > 24);
  while (field.children.length > shown.length) field.lastChild.remove();
  while (field.children.length < shown.length) field.append(el("i"));
  shown.forEach((state, at) => set(field.children[at], "data-state", state));
}

/** The worst of each part. */
function inParts(states, parts) {
  const rank = ["down", ...TROUBLE, "draining", "disabled", "up"];
  const size = states.length / parts;
  return Array.from({ length: parts }, (_, at) => {
    const part = states.slice(Math.floor(at * size), Math.floor((at + 1) * size));
    return rank.find((state) => part.includes(state)) ?? "up";
  });
}

