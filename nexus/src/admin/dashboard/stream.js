// Follows the events. By fetch, since EventSource cannot send a token.

import { fields, refusal } from "./api.js";

/** The server says something every 15 s; after that long without a word it is not there any more. */
const SILENCE_MS = 40_000;

/** Tells every event to `heard`, until `stop` is called or the connection ends, which `ended` is told. */
export class Stream {
  #last = 0;
  #running = null;

  constructor(heard, ended) {
    this.heard = heard;
    this.ended = ended;
  }

  get isOpen() {
    return this.#running !== null;
  }

  /** Forgets where it was: another Nexus counts its events from the start. */
  restart() {
    this.#last = 0;
    this.stop();
  }

  stop() {
    this.#running?.abort();
    this.#running = null;
  }

  /** Begins to follow after the last event that was heard. */
  async follow() {
    if (this.#running) return;
    const running = (this.#running = new AbortController());
    let failure = null;
    try {
      await this.#read(running);
    } catch (error) {
      failure = error;
    }
    if (this.#running !== running) return; // It was stopped, and perhaps begun anew.
    this.#running = null;
    this.ended(failure);
  }

  async #read(running) {
    const headers = fields({ Accept: "text/event-stream" });
    if (this.#last) headers["Last-Event-ID"] = String(this.#last);
    const silence = new Alarm(SILENCE_MS, () => running.abort());
    try {
      const answer = await fetch("/v1/events", { headers, signal: running.signal, cache: "no-store" });
      if (!answer.ok) throw await refusal(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done || this.#running !== running) return;
        silence.wind();
        const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
        rest = blocks.pop();
        this.#hear(blocks);
      }
    } finally {
      silence.stop();
    }
  }

  #hear(blocks) {
    const events = blocks.map(dataOf).filter((event) => event && event.id > this.#last);
    if (!events.length) return;
    this.#last = events[events.length - 1].id;
    this.heard(events);
  }
}

function dataOf(block) {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  if (!lines.length) return null; // A comment: the server is there.
  try {
    return JSON.parse(lines.map((line) => line.slice(5).trimStart()).join("\n"));
  } catch {
    return null;
  }
}

class Alarm {
  constructor(time, ring) {
    this.time = time;
    this.ring = ring;
    this.wind();
  }

  wind() {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.ring, this.time);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
