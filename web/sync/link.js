// One socket that comes back by itself: hello, fresh tokens, pings, and what each close code asks for. It knows no trees.

const FIRST_WAIT_MS = 250; // doubled at each failure up to the longest, then a random part of it [RP8]
const LONGEST_WAIT_MS = 30_000;
const PING_MS = 20_000; // nothing heard from one ping to the next: the line is dead, whatever readyState says
const PROBE_MS = 5_000; // to answer a ping that was sent because the network seems to have changed
const STEADY_MS = 5_000; // a socket that lived so long has shown that the server takes us
const FINAL = new Set([1002, 1007, 4400, 4403, 4409]); // the same client would meet the same end again [CL2]
const TOO_BIG = 1009;
const BAD_TOKEN = 4401;
const LEAST_MESSAGE_BYTES = 1024; // below this no message is halved any more
const LONGEST_TIMER_MS = 2 ** 31 - 1; // a longer one would fire at once

/** The socket of a client. */
export class Link {
  /** @type {"connecting" | "online" | "offline" | "refused" | "signed out"} */
  state = "connecting";
  messageBytes = Infinity; // what the way to the server was seen to bear
  #url;
  #token;
  #owner;
  #socket = null;
  #failures = 0;
  #badTokens = 0; // in a row
  #wait = null; // as a notice asked for
  #spread = 0; // over which all who lose this server come back [HS12]
  #heard = true; // since the last ping
  #timers = {};
  #closed = false;
  #hints = null;

  /**
   * `owner.ready()` resolves when a hello can be said, `owner.hello(token)` answers it; `owner.welcomed(message)`,
   * `owner.renewed()` (a fresh token was taken), `owner.hear(message)`, `owner.lost()` and `owner.became(state, why)` are told what happens. `token.get(isFresh)` resolves to a token.
   */
  constructor(url, token, owner) {
    this.#url = url;
    this.#token = token;
    this.#owner = owner;
  }

  start() {
    this.#hints = new AbortController();
    const { signal } = this.#hints;
    globalThis.addEventListener?.("online", () => this.hurry(), { signal });
    globalThis.addEventListener?.("offline", () => this.probe(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.hurry(), { signal });
    this.#dial();
  }

  close() {
    this.#closed = true;
    this.#hints?.abort();
    this.#stopTimers();
    this.#socket?.close(1000);
    this.#socket = null;
  }

  /** Give up this socket and take another at once: under another client_id, or with another token. */
  redial() {
    this.#closed = false;
    this.#badTokens = 0;
    this.#abandon(true);
  }

  /** Give up, and do not come back: what `redial` would meet again. */
  refuse(why) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#lost(4403, why);
  }

  /** A hint that the network is there: do not wait any longer; a socket that is open proves that it still is. */
  hurry() {
    if (this.state === "online") this.probe();
    else if (this.#timers.dial) {
      clearTimeout(this.#timers.dial);
      this.#dial();
    }
  }

  /** Ask the server for a sign of life, and take the socket for dead where none comes soon. */
  probe() {
    if (this.state === "online") this.#ping(PROBE_MS);
  }

  /** Whether it could be said; what could not be is said again by its owner once a socket is there. */
  say(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  async #dial() {
    this.#timers.dial = null;
    let token;
    try {
      token = await this.#token.get(true);
      await this.#owner.ready();
    } catch (error) {
      return this.#lost(1006, `no token: ${error?.message ?? error}`); // as good as no network
    }
    if (this.#closed || this.#socket) return;
    const socket = new WebSocket(this.#url, ["treesync.v1.json"]);
    this.#socket = socket;
    socket.onopen = () => socket === this.#socket && this.say(this.#owner.hello(token));
    socket.onmessage = (event) => socket === this.#socket && this.#hear(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#lost(event.code, event.reason);
    };
  }

  #hear(message) {
    this.#heard = true;
    if (message.type === "pong") return;
    if (message.type === "notice" && message.tree === undefined && message.retry_ms !== undefined)
      this.#wait = message.retry_ms;
    if (message.type === "welcome") this.#welcomed(message);
    else this.#owner.hear(message);
  }

  #welcomed(message) {
    const isFirst = this.state !== "online";
    this.#badTokens = 0;
    this.#spread = message.spread_ms ?? 0;
    this.#renewIn(Date.parse(message.expires_at) - Date.parse(message.server_time));
    if (!isFirst) return this.#owner.renewed(); // the answer to a fresh token
    this.#timers.steady = setTimeout(() => (this.#failures = 0), STEADY_MS);
    this.#ping(PING_MS);
    this.state = "online";
    this.#owner.welcomed(message);
    this.#owner.became("online");
  }

  // Both times are the server's, so that this machine's clock does not matter.
  #renewIn(lifetime) {
    clearTimeout(this.#timers.renew);
    if (!this.#token.isRenewable || !(lifetime > 0)) return;
    this.#timers.renew = setTimeout(
      async () => {
        const socket = this.#socket;
        try {
          const token = await this.#token.get(true);
          if (socket === this.#socket) this.say({ type: "auth", token });
        } catch {
          this.#renewIn(lifetime / 4); // until the old one ends there is time to try again
        }
      },
      Math.min(lifetime * 0.8, LONGEST_TIMER_MS),
    );
  }

  #ping(patience) {
    clearTimeout(this.#timers.ping);
    this.#heard = false;
    this.say({ type: "ping" });
    this.#timers.ping = setTimeout(() => (this.#heard ? this.#ping(PING_MS) : this.#abandon()), patience);
  }

  // A dead line does not answer a close either, so its end is not waited for.
  #abandon(isWanted = false) {
    const dead = this.#socket;
    this.#socket = null;
    dead?.close(1000);
    this.#lost(1006, "no answer", isWanted);
  }

  #stopTimers() {
    for (const name of Object.keys(this.#timers)) clearTimeout(this.#timers[name]);
    this.#timers = {};
  }

  #lost(code, why, isWanted = false) {
    this.#stopTimers();
    if (code === TOO_BIG)
      this.messageBytes = Math.max(LEAST_MESSAGE_BYTES, Math.min(this.messageBytes, this.#owner.messageBytes) >> 1);
    this.#owner.lost();
    if (this.#closed) return;
    if (isWanted) {
      this.state = "connecting";
      return this.#dial();
    }
    if (FINAL.has(code)) return this.#become("refused", why);
    if (code === BAD_TOKEN && (!this.#token.isRenewable || ++this.#badTokens > 1))
      return this.#become("signed out", why);
    const doubled = FIRST_WAIT_MS * 2 ** Math.min(this.#failures++, 20);
    const longest = Math.min(LONGEST_WAIT_MS, Math.max(doubled, this.#spread));
    this.#timers.dial = setTimeout(() => this.#dial(), this.#wait ?? Math.random() * longest);
    this.#wait = null;
    this.#become("offline", why);
  }

  #become(state, why) {
    this.state = state;
    this.#owner.became(state, why);
  }
}
