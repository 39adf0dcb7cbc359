// What may be done to backends by those whose token may write.

import { call } from "./api.js";
import { byId, say } from "./dom.js";
import { address, stateOf } from "./words.js";

/** Makes the acts; `done` is told after each. */
export function makeActs(done) {
  const act = async (path, pool, backend, text, names = {}) => {
    try {
      await call(path, { method: "POST", names: { pool: pool.name, backend: backend.url, ...names } });
      toast(text);
    } catch (error) {
      toast(`Nothing has changed: ${error.message}${error.hint ? `; ${error.hint}` : ""}`);
    }
    await done();
  };
  return {
    async drain({ pool, backend }, button) {
      const name = address(backend.url);
      if (backend.is_draining) return busy(button, act("/v1/undrain", pool, backend, `${name} gets requests again`));
      if (isLast(pool, backend) && !(await confirmed("Drain", name, pool))) return;
      await busy(button, act("/v1/drain", pool, backend, `${name} drains: it gets nothing new`));
    },
    async enable(pool, backend, isOn) {
      const name = address(backend.url);
      if (isOn) return act("/v1/enable", pool, backend, `${name} is enabled`);
      if (isLast(pool, backend) && !(await confirmed("Disable", name, pool))) return;
      await act("/v1/disable", pool, backend, `${name} is disabled`);
    },
    async weigh(pool, backend, weight) {
      const words = weight === undefined ? "its configured weight" : `the weight ${weight}`;
      await act("/v1/weight", pool, backend, `${address(backend.url)} has ${words}`, { weight });
    },
  };
}

/** A second click while the first is under way would take it back. */
async function busy(button, work) {
  button.disabled = true;
  await work;
  button.disabled = false;
  button.focus();
}

/** Says whether nobody else of the pool could take requests. */
function isLast(pool, backend) {
  const takes = (other) => ["up", "half-open"].includes(stateOf(other).key) && other.weight > 0;
  return takes(backend) && !pool.backends.some((other) => other.url !== backend.url && takes(other));
}

const dialog = byId("confirm");

function confirmed(verb, name, pool) {
  say(byId("confirm-title"), `${verb} the last one?`);
  say(byId("confirm-text"), `${name} is the only backend of pool ${pool.name} that takes requests. Without it they are answered 503.`);
  say(byId("confirm-yes"), `${verb} ${name}`);
  dialog.returnValue = "";
  dialog.showModal();
  byId("confirm-no").focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

byId("confirm-yes").addEventListener("click", () => dialog.close("yes"));
byId("confirm-no").addEventListener("click", () => dialog.close());

let fading = null;

/** Says something for a moment. */
export function toast(text) {
  const place = byId("toast");
  // Over an open dialog, whose backdrop would cover it.
  (document.querySelector("dialog[open]") ?? document.body).append(place);
  say(place, text);
  place.classList.add("is-shown");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("is-shown"), 4000);
}
