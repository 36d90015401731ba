// The token that signs requests in, and what it says about its person.

/** Where tokens come from. */
export class TokenSource {
  #given;
  #known = null;
  #asking = null; // whoever wants one meanwhile gets the same

  /** @param {string | (() => string | Promise<string>)} given text, or a function that answers a fresh one */
  constructor(given) {
    this.replace(given);
  }

  /** Take another one from now on. */
  replace(given) {
    this.#given = given;
    this.#known = typeof given === "string" ? given : null;
  }

  /** Whether a better one can be had after this one. */
  get isRenewable() {
    return typeof this.#given === "function";
  }

  /** A token; `isFresh`: not the one that was used last. Rejects where none can be had now. */
  get(isFresh = false) {
    if (!this.isRenewable || (!isFresh && this.#known !== null)) return Promise.resolve(this.#known);
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #ask() {
    this.#known = await this.#given();
    return this.#known;
  }

  /** { tenant, user } as the token says; null where it cannot be read. Nobody is trusted for it: it names local data. */
  get identity() {
    try {
      const payload = this.#known.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
      const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
      const { tenant, sub } = JSON.parse(new TextDecoder().decode(bytes));
      return typeof tenant === "string" && typeof sub === "string" ? { tenant, user: sub } : null;
    } catch {
      return null;
    }
  }
}
