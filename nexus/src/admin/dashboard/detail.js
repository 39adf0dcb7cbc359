// All about one backend, in a dialog: why it gets requests or none, its last turns and probes, and what may be done.

import { call } from "./api.js";
import { byId, el, say, show } from "./dom.js";
import { pairs } from "./lists.js";
import { clock, number, stateOf } from "./words.js";

const dialog = byId("backend");
let current = null;

/** Opens it. `acts` are in the item, `null` if nothing may be done. */
export function openDetail(item) {
  current = { pool: item.pool.name, url: item.backend.url, opener: document.activeElement };
  say(byId("backend-title"), item.backend.url);
  byId("backend-body").replaceChildren(...build(item));
  dialog.showModal();
  drawDetail(item);
  ask();
}

byId("backend-close").addEventListener("click", () => dialog.close());
// It comes a moment after the dialog is closed, when another may have been opened.
dialog.addEventListener("close", () => {
  if (dialog.open) return;
  current?.opener?.focus();
  current = null;
});

let parts = null;

function build(item) {
  parts = { why: el("p"), facts: el("div"), turns: el("ul.entries"), probes: el("ul.entries"), acts: el("div.choices") };
  if (item.acts) buildActs(item);
  return [parts.why, el("h3", {}, "Now"), parts.facts, parts.acts, el("h3", {}, "What happened"), parts.turns, el("h3", {}, "Its last probes"), parts.probes];
}

function buildActs({ pool, backend, acts }) {
  const weight = el("input", { type: "number", min: "0", max: "1000", step: "1", id: "weight", value: String(backend.weight), required: true });
  const form = el("form.choices", {}, el("label", { for: "weight" }, "Weight"), weight, el("button.plain", { type: "submit" }, "Set"));
  const usual = el("button.plain", { type: "button" }, "As configured");
  form.append(usual);
  form.addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    acts.weigh(pool, backend, weight.value);
  });
  usual.addEventListener("click", () => acts.weigh(pool, backend, undefined));
  parts.toggle = el("button.plain", { type: "button" });
  parts.toggle.addEventListener("click", () => acts.enable(pool, parts.backend, parts.backend.is_disabled));
  parts.drain = el("button.plain", { type: "button" });
  parts.drain.addEventListener("click", () => acts.drain({ pool, backend: parts.backend, acts }, parts.drain));
  parts.acts.append(parts.drain, parts.toggle, form);
}

/** Draws what is known now, if it is open. */
export function drawDetail(item) {
  if (!current || !item) return;
  const { backend } = item;
  parts.backend = backend;
  const failures = Object.entries(backend.failures).map(([reason, many]) => `${reason} ${number(many)}`);
  const facts = [
    ["State", `${stateOf(backend).word} since ${new Date(backend.since).toLocaleString("en-GB")}${backend.cause ? `, ${backend.cause}` : ""}`],
    ["Pool", item.pool.name],
    ["Weight", backend.weight],
    ["Connections", `${number(backend.connections.open)} open, ${number(backend.connections.idle)} of them idle; ${number(backend.connections.opened)} opened, ${number(backend.connections.reused)} times reused`],
    ["Attempts", number(backend.attempts)],
    ["Failed attempts", failures.join(", ") || "none"],
    ["Answered", `${number(backend.requests)}, ${number(backend.errors)} of them errors`],
  ];
  const text = JSON.stringify(facts);
  if (parts.facts.said !== text) {
    parts.facts.said = text;
    parts.facts.replaceChildren(pairs(facts));
  }
  if (!parts.drain) return;
  say(parts.drain, backend.is_draining ? "Undrain" : "Drain");
  show(parts.drain, !backend.is_disabled);
  say(parts.toggle, backend.is_disabled ? "Enable" : "Disable");
}

/** Returns the names of whom it is open for. */
export const openFor = () => current;

/** Asks why, if it is open. */
export async function ask() {
  if (!current) return;
  const asked = current;
  const names = { pool: asked.pool, backend: asked.url };
  const told = await call("/v1/why", { names }).catch((error) => ({ why: `Nexus does not tell why: ${error.message}`, turns: [], probes: [] }));
  if (current !== asked) return;
  say(parts.why, told.why);
  entries(parts.turns, told.turns, "nothing since Nexus started");
  entries(parts.probes, told.probes, "none yet");
}

function entries(list, told, otherwise) {
  const now = Date.now();
  const items = told.map((entry) => el("li", {}, el("time.quiet", { datetime: entry.at }, clock(entry.at, now)), el("span", {}, entry.text)));
  list.replaceChildren(...(items.length ? items : [el("li.quiet", {}, otherwise)]));
}
