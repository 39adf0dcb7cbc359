// The dashboard: asks once a second, hears of events at once, and draws in place what has changed.

import { call, token } from "./api.js";
import { makeActs, toast } from "./acts.js";
import { byId, say, set, show } from "./dom.js";
import { ask, drawDetail, openDetail, openFor } from "./detail.js";
import { drawEvents, drawFailures, drawPaths } from "./lists.js";
import { drawPools, filterBy } from "./pools.js";
import { Stream } from "./stream.js";
import { drawSummary } from "./summary.js";
import { span } from "./words.js";

const EVERY_MS = 1000;

/** The time that charts show: less where there are so many backends that it would be a burden to tell. */
const secondsFor = (backends) => (backends > 400 ? 30 : backends > 120 ? 60 : 120);

const known = { stats: null, me: null, events: [], failures: [], acts: null, now: Date.now(), seconds: 120, failed: "" };
const acts = makeActs(() => refresh());
const stream = new Stream(hear, () => {});

// Asking

let timer = null;
let asking = null;
let isWantedAgain = false;
let unanswered = null;

/** Asks now, or once more if it is being asked: what it hears then is not older than this call. */
function refresh() {
  if (asking) {
    isWantedAgain = true;
    return asking;
  }
  asking = askAll().finally(() => {
    asking = null;
    if (isWantedAgain) {
      isWantedAgain = false;
      refresh();
    }
  });
  return asking;
}

async function askAll() {
  clearTimeout(timer);
  const begun = performance.now();
  try {
    if (!known.me) greet(await call("/v1/me"));
    learn(await call("/v1/stats", { names: { seconds: known.seconds } }));
    answered();
  } catch (error) {
    if (error.status === 401) return gate(token.get() ? "This token is not known here." : "");
    silent(error);
  }
  if (!document.hidden) timer = setTimeout(refresh, Math.max(50, EVERY_MS - (performance.now() - begun)));
}

function greet(me) {
  known.me = me;
  known.acts = me.may_write ? acts : null;
  say(byId("who"), me.may_write ? me.name : `${me.name === "anybody" ? "" : `${me.name}, `}read only`);
  show(byId("sign-out"), token.get());
}

function learn(stats) {
  const before = known.stats;
  if (before && before.version !== stats.version) return location.reload(); // This page is of another version.
  if (before && stats.uptime_seconds < before.uptime_seconds) {
    // Another process: it counts events anew, and its tokens may be others.
    stream.restart();
    known.me = null;
  }
  Object.assign(known, { stats, now: Date.parse(stats.at) });
  known.began ??= known.now;
  known.seconds = secondsFor(stats.pools.reduce((sum, pool) => sum + pool.backends.length, 0));
  if (!stream.isOpen) stream.follow();
  draw();
  askFailures(stats);
}

let failuresAsked = 0;

/** Asks for failures when there are other ones than before. */
async function askFailures({ total }) {
  const sum = JSON.stringify([total.errors, total.reasons]);
  const now = performance.now();
  if ((sum === known.failed || now - failuresAsked < 2000) && now - failuresAsked < 15_000 && failuresAsked) return;
  failuresAsked = now;
  known.failed = sum;
  const told = await call("/v1/failures", { names: { limit: 50 } }).catch(() => null);
  if (told) known.failures = told.failures;
  drawFailures(known.failures, known.now);
}

// Hearing

let runs = 0;

/** Health comes first: the numbers are asked for at once. */
function hear(events) {
  if (events[0].id === 1 && known.events.length > 0) runs += 1; // Another process began to count.
  for (const event of events) event.key = `${runs}:${event.id}`;
  known.events = [...known.events, ...events].slice(-256);
  drawEvents(known.events, known.now);
  refresh();
  ask();
  const news = events.filter(({ at }) => Date.parse(at) > known.began);
  const words = news.filter(({ kind }) => kind.startsWith("backend_") || kind.startsWith("pool_") || kind === "drain" || kind === "undrain");
  say(byId("announcer"), words.map(({ pool, backend, text }) => [pool, backend, text].filter(Boolean).join(" ")).join(". "));
}

// Drawing

function draw() {
  const { stats, now, seconds } = known;
  show(byId("gate"), false);
  show(byId("main"), true);
  drawSummary(stats, now, seconds);
  drawPools(stats, now, seconds, known.acts);
  drawPaths(stats);
  drawEvents(known.events, now);
  const open = openFor();
  if (open) drawDetail(find(open));
}

function find({ pool: name, url }) {
  const pool = known.stats.pools.find((other) => other.name === name);
  const backend = pool?.backends.find((other) => other.url === url);
  return backend ? { pool, backend } : null;
}

function answered() {
  unanswered = null;
  connection("live", "live");
  byId("main").classList.remove("is-stale");
}

/** Nobody answers: that is said quietly, and what was known last stays, in grey. */
function silent(error) {
  unanswered ??= performance.now();
  const time = span((performance.now() - unanswered) / 1000);
  const words = error.status ? `${error.message}${error.hint ? `: ${error.hint}` : ""}` : `no answer for ${time}, last values in grey`;
  connection("away", known.stats || error.status ? words : "Nexus does not answer");
  byId("main").classList.add("is-stale");
}

function connection(state, text) {
  set(byId("connection"), "data-state", state);
  say(byId("connection-text"), text);
}

// Tokens

function gate(problem) {
  token.forget();
  stream.stop();
  known.me = null;
  byId("backend").close();
  connection("asking", "waiting for a token");
  say(byId("token-problem"), problem);
  show(byId("main"), false);
  show(byId("gate"), true);
  byId("token").focus();
}

byId("token-form").addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  token.keep(byId("token").value.trim());
  byId("token").value = "";
  refresh();
});

byId("sign-out").addEventListener("click", () => {
  token.forget();
  known.me = null;
  stream.stop();
  toast("The token is forgotten");
  refresh();
});

// The page

byId("filter").addEventListener("input", ({ target }) => filterBy(target.value));
document.addEventListener("backend-opened", ({ detail }) => openDetail(detail));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

const THEMES = { auto: "as the system", light: "light", dark: "dark" };

function theme(chosen) {
  const root = document.documentElement;
  if (chosen === "auto") delete root.dataset.theme;
  else root.dataset.theme = chosen;
  say(byId("theme-text"), chosen);
  set(byId("theme"), "aria-label", `Colours: ${THEMES[chosen]}`);
}

byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % names.length];
  theme(next);
  try {
    if (next === "auto") localStorage.removeItem("nexus-theme");
    else localStorage.setItem("nexus-theme", next);
  } catch {
    // Then it holds for this page alone.
  }
});

theme(document.documentElement.dataset.theme ?? "auto");
refresh();
