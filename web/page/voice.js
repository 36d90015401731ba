// What the page says: a live region for assistive technology, and for eyes a line that goes away by itself.

import { byId, made } from "./dom.js";

const STAYS_MS = 6000;

/** @param {import("./desk.js").Desk} desk */
export function speak(desk, { undo }) {
  const region = byId("said");
  const line = byId("toast");
  let timer = 0;
  desk.addEventListener("said", ({ detail: { text, tone, undo: own } }) => {
    region.textContent = "";
    // the same words twice are read twice only if the region was empty in between
    requestAnimationFrame(() => (region.textContent = text));
    if (line.dataset.tone === "undo") hide(); // whatever came since, it is no longer the last change
    if (tone === "quiet") return;
    const back =
      tone === "undo" &&
      made("button", { type: "button", className: "button", onclick: () => ((own ?? undo)(), hide()) }, "Undo");
    line.dataset.tone = tone;
    line.replaceChildren(made("p", {}, text), back || "");
    line.hidden = false;
    clearTimeout(timer);
    timer = setTimeout(hide, STAYS_MS);
  });
  const hide = () => (line.hidden = true);
  line.onpointerenter = () => clearTimeout(timer);
  line.onpointerleave = () => (timer = setTimeout(hide, STAYS_MS / 2));
}
