// Calls to the admin address that this page came from, with the token of this tab.

const KEY = "nexus-token";

/** Until a call counts as not answered. */
const TIMEOUT_MS = 5000;

export const token = {
  get: () => sessionStorage.getItem(KEY),
  keep: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** An answer that says no. */
export class Refused extends Error {
  constructor(status, error = {}) {
    super(error.message ?? `the call was answered with ${status}`);
    this.status = status;
    this.code = error.code ?? "";
    this.hint = error.hint ?? "";
  }
}

/** The fields that show the token, if there is one. */
export function fields(more = {}) {
  const known = token.get();
  return known ? { ...more, Authorization: `Bearer ${known}` } : more;
}

/** Returns what a call answers. Throws `Refused` if that is a no, something else if nobody answers. */
export async function call(path, { method = "GET", names = {} } = {}) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const headers = fields({ Accept: "application/json" });
  const answer = await fetch(path + query(names), { method, headers, signal, cache: "no-store" });
  if (answer.ok) return answer.json();
  throw await refusal(answer);
}

/** Reads the error of an answer that is a no. */
export async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Refused(answer.status, body.error);
}

/** A query in which only what must be is escaped: addresses stay as they are written elsewhere. */
export function query(names) {
  const escape = (text) => String(text).replace(/[%&#+\s]/g, encodeURIComponent);
  const pairs = Object.entries(names).filter(([, value]) => value !== undefined && value !== null);
  return pairs.length ? `?${pairs.map(([name, value]) => `${name}=${escape(value)}`).join("&")}` : "";
}
