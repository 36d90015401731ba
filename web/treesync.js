// The browser client of treesync: one module to import, no build step. PROTOCOL.md has the rules behind it, treesync.d.ts
// every type.
//
//   import { connect } from "/client.js";
//   const tree = await connect(location.origin, token).open(7);
//   tree.addEventListener("change", () => draw(tree.view));
//   const result = await tree.update("n1", { title: "Grow 20%" });   // shows at once, resolves when it is durable

import { Client } from "./sync/client.js";

export { Client };
export { Tree } from "./sync/tree.js";
export { RequestFailed } from "./sync/http.js";
export { newId } from "./sync/editing.js";
export { caretAfter } from "./text.js";

/**
 * Connect to a server. The client comes back by itself whenever its socket is lost.
 * @param {string} url the server's address, `location.origin` for the one that served the page
 * @param {import("./treesync").Token} token text, or a function that answers (a promise of) a fresh one
 * @param {import("./treesync").ConnectOptions} [options]
 * @returns {Client}
 */
export function connect(url, token, options) {
  return new Client(url, token, options);
}
