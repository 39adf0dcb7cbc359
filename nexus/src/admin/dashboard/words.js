// Numbers, times and states as people read them. Pure.

/** A number with three digits that matter. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${trim(value / 1e6)} M`;
  if (size >= 1e4) return `${trim(value / 1e3)} k`;
  if (size >= 1000) return Math.round(value).toLocaleString("en").replace(",", "\u202f");
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : size >= 0.095 ? 1 : 2);
}

const trim = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

/** A share, in percent. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = share * 100;
  if (value > 0 && value < 0.01) return "<0.01 %";
  return `${value === 0 || value >= 99.95 ? Math.round(value) : value < 1 ? value.toFixed(2) : value.toFixed(1)} %`;
}

/** Milliseconds, without the unit. */
export function millis(value) {
  if (value === null || value === undefined) return "–";
  return value >= 100 ? String(Math.round(value)) : value >= 10 ? value.toFixed(1) : value.toFixed(value >= 0.1 ? 1 : 2);
}

/** A span of seconds: its largest unit, and the next one while that matters. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return pair(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

const pair = (large, unit, small, other) => (small ? `${large} ${unit} ${small} ${other}` : `${large} ${unit}`);

/** How long ago a stamp was, by the server's clock. */
export const since = (stamp, now) => span((now - Date.parse(stamp)) / 1000);

/** The time of day of a stamp, where the reader is; with its day if that is another one. */
export function clock(stamp, now) {
  const time = new Date(stamp);
  const text = time.toLocaleTimeString("en-GB");
  if (time.toDateString() === new Date(now).toDateString()) return text;
  return `${time.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${text}`;
}

/** A backend's address without the scheme that most have; short enough to be read. */
export const address = (url) => url.replace(/^http:\/\//, "");

/** A count and its noun. */
export const count = (many, noun) => `${number(many)} ${noun}${many === 1 ? "" : "s"}`;

const STATES = {
  up: { word: "UP", tone: "well" },
  down: { word: "DOWN", tone: "bad" },
  ejected: { word: "EJECTED", tone: "warn" },
  "half-open": { word: "HALF OPEN", tone: "warn" },
  draining: { word: "DRAINING", tone: "info" },
  disabled: { word: "DISABLED", tone: "off" },
};

/** What is shown of a backend's state: what an operator said comes before what it would be without, but DOWN is DOWN. */
export function stateOf(backend) {
  const key = backend.is_disabled
    ? "disabled"
    : backend.state === "DOWN" || backend.state === "EJECTED"
      ? backend.state.toLowerCase()
      : backend.is_draining
        ? "draining"
        : backend.state === "HALF_OPEN"
          ? "half-open"
          : "up";
  return { key, ...STATES[key] };
}

/** Shape and tone of an event, by its kind. */
export function eventLook(kind) {
  if (["backend_up", "backend_not_ejected", "pool_usual", "undrain", "enable", "reload_confirmed"].includes(kind)) return ["up", "well"];
  if (["backend_down", "pool_closed"].includes(kind)) return ["down", "bad"];
  if (["reload_refused", "rolled_back", "pool_panic"].includes(kind)) return ["notice", "warn"];
  if (["backend_ejected", "eject"].includes(kind)) return ["ejected", "warn"];
  if (kind === "backend_half_open") return ["half-open", "warn"];
  if (kind === "drain") return ["draining", "info"];
  if (kind === "disable") return ["disabled", "off"];
  return ["notice", "info"];
}
