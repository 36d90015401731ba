// Rings that show a share: small, quiet, and with a name for those who do not see them. Drawn by CSS gradients; the share
// is a property that glides, so nothing is drawn by script.

import { made } from "./dom.js";
import { inWords } from "./progress.js";

/** An empty ring, hidden until `fillRing` gives it a share. */
export function ring(className = "") {
  return made("span", { className: `ring ${className}`.trim(), role: "img", hidden: true });
}

/**
 * Show a share from 0 to 1. `inner`: another, as a disc inside; `label`: what it is called.
 * @param {HTMLElement} element made by `ring`
 */
export function fillRing(element, share, { inner = null, label = inWords(share) } = {}) {
  element.hidden = false;
  element.classList.toggle("whole", share >= 1);
  element.classList.toggle("double", inner !== null);
  element.style.setProperty("--share", share);
  if (inner !== null) element.style.setProperty("--inner", inner);
  element.setAttribute("aria-label", label);
  element.title = label;
}

/** A card's ring: of a leaf its own progress; of a branch that of all of it, and inside that of the card alone. */
export function fillCardRing(element, progress, hasChildren) {
  if (!progress) return void (element.hidden = true);
  const { completion, branch_completion: branch } = progress;
  if (!hasChildren) return fillRing(element, completion);
  fillRing(element, branch, { inner: completion, label: branchInWords(progress) });
}

/** What a card's ring shows, in words. */
export function branchInWords({ completion, branch_completion: branch }) {
  return `Branch ${inWords(branch)}, this card ${inWords(completion).replace(" complete", "")}`;
}
