// A tree out of a file: where no answer came, nobody is told that none was made.

import { made } from "/page/dom.js";
import { Importer } from "/page/import.js";
import { RequestFailed } from "/sync/http.js";
import { equal, eventually, test } from "/tests/testing.js";

const PREVIEW = { name: "Plan", nodes: 1, connections: 0, levels: 1, types: {}, description: "" };

// The dialog, when the form was sent; `upload` answers to that.
async function making(upload) {
  document.querySelector("#import")?.remove();
  document.querySelector("#drop-zone")?.remove();
  const dialog = made("dialog", { id: "import" }, made("div", { id: "import-body" }));
  document.body.append(dialog, made("div", { id: "drop-zone", hidden: true }));
  const said = [];
  const client = {
    limits: {},
    upload: async (path, file, told, signal) => (path.includes("preview") ? PREVIEW : upload(told, signal)),
  };
  new Importer({ client, say: (text) => said.push(text) }, () => {}).take(new File(["# Plan"], "plan.md"));
  (await eventually(() => dialog.querySelector("form"))).requestSubmit();
  return { dialog, said };
}

function untilAborted(told, signal, part) {
  told(part);
  const { promise, reject } = Promise.withResolvers();
  signal.addEventListener("abort", () => reject(new RequestFailed({ code: "aborted" })));
  return promise;
}

test("a network that is lost before the answer leaves it open whether the tree was made", async () => {
  for (const [part, isOpen] of [
    [1, true],
    [0.5, false],
  ]) {
    const { dialog } = await making(async (told) => {
      told(part);
      throw new RequestFailed({ detail: "gone" });
    });
    const { textContent: why } = await eventually(() => dialog.querySelector('[role="alert"]'));
    equal([why.includes("needs the network"), why.includes("“Plan”: It may have been made")], [true, isOpen]);
    dialog.close();
  }
});

test("what was closed after all was sent may have become a tree, and that is said", async () => {
  for (const [part, count] of [
    [1, 1],
    [0.5, 0],
  ]) {
    const { dialog, said } = await making((told, signal) => untilAborted(told, signal, part));
    const closed = new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    dialog.close();
    await closed;
    await new Promise((done) => setTimeout(done));
    equal(said.filter((text) => text.startsWith("“Plan”: It may have been made")).length, count, String(part));
  }
});

test("what the server refuses was not made", async () => {
  const { dialog } = await making(async (told) => {
    told(1);
    throw new RequestFailed({ code: "too_large", detail: "too many nodes", status: 413 });
  });
  equal((await eventually(() => dialog.querySelector('[role="alert"]'))).textContent, "too many nodes");
  dialog.close();
});
