// A tree's past, by HTTP: versions, what changed, and going back (PROTOCOL.md HI).

import { newId } from "./editing.js";

/** `tree.history`. All reject with RequestFailed; nothing here waits in the queue. A moment is `{ version: 3 }`,
 *  `{ seq: 120 }` or `{ at: "2026-01-05T10:00:00Z" }`. */
export class History {
  #path;
  #request;

  constructor(number, request) {
    this.#path = `/trees/${number}`;
    this.#request = request;
  }

  /** A page of versions, newest first: `{ versions, next }`; `next` is the `before` of the following page. */
  versions({ before = null, limit = null } = {}) {
    return this.#request("GET", `${this.#path}/versions${query({ before, limit })}`);
  }

  /** Keep the tree as it is, or was at the moment `of`, under a name. */
  keep(name, { description = "", of } = {}) {
    return this.#request("POST", `${this.#path}/versions`, { name, description, ...(of && { of }) });
  }

  /** Give a version another name. */
  rename(number, name, description) {
    return this.#request("PATCH", `${this.#path}/versions/${number}`, { name, description });
  }

  /** Take a version's name away: it stays as if it was kept by itself, and may be thinned. */
  unname(number) {
    return this.#request("DELETE", `${this.#path}/versions/${number}`);
  }

  /** The tree as it was: `{ position, state, … }`. */
  at(moment) {
    if ("version" in moment) return this.#request("GET", `${this.#path}/versions/${moment.version}`);
    return this.#request("GET", `${this.#path}${query(moment)}`);
  }

  /** What changed between two moments, up to now without `to`: `{ difference, sentences, … }`. */
  diff(from, to) {
    return this.#request("GET", `${this.#path}/diff${query({ from: named(from), to: to ? named(to) : null })}`);
  }

  /** A page of what happened to a node, newest first: `{ events, next }`. */
  of(node, { before = null } = {}) {
    return this.#request("GET", `${this.#path}/nodes/${encodeURIComponent(node)}/history${query({ before })}`);
  }

  /** Bring the tree, or with `node` its subtree, back to a moment. With `dry_run` only the ops and collisions are told. */
  restore(to, { request = newId(), ...more } = {}) {
    return this.#request("POST", `${this.#path}/restore`, { request, to, ...more });
  }

  /** Take back the ops of a `user`, `since` and `until` moments, an `op`, or what an answer's `undo` names. */
  revert({ request = newId(), ...which }) {
    return this.#request("POST", `${this.#path}/revert`, { request, ...which });
  }
}

function named(moment) {
  const [[kind, value]] = Object.entries(moment);
  return `${kind}:${value}`;
}

function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
