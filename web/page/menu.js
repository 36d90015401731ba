// A menu below a button, for mouse and keyboard (ARIA Authoring Practices, "Menu Button").

import { icon, made } from "./dom.js";
import { attach } from "./popover.js";

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/**
 * @typedef {object} Choice
 * @property {string} label
 * @property {string} [about] what it means, in a few words
 * @property {string} picture an icon's name
 * @property {() => void} act
 */

/**
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} element
 * @param {{ title?: string, choices: Choice[] }[]} groups
 */
export function attachMenu(button, element, groups, { width }) {
  button.setAttribute("aria-haspopup", "menu");
  element.setAttribute("role", "menu");
  element.replaceChildren(...groups.map((group) => groupOf(group, () => element.hidePopover())));
  attach(button, element, { width });
  const items = () => [...element.querySelectorAll('[role="menuitem"]')];
  element.addEventListener("toggle", ({ newState }) => newState === "open" && items()[0].focus());
  element.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const to = { Home: 0, End: all.length - 1 }[event.key] ?? (STEPS[event.key] && at + STEPS[event.key]);
    if (to !== undefined) all.at(to % all.length).focus();
    else if (event.key === "Tab") element.hidePopover();
    else return;
    event.preventDefault();
  });
}

function groupOf({ title, choices }, close) {
  const rows = choices.map(({ label, about, picture, act }) =>
    made(
      "button",
      { type: "button", role: "menuitem", className: "choice", tabIndex: -1, onclick: () => (close(), act()) },
      icon(picture),
      made("span", {}, label),
      about && made("span", { className: "quiet" }, about),
    ),
  );
  const heading = title && made("div", { className: "choices-title", "aria-hidden": "true" }, title);
  return made("div", { role: "group", "aria-label": title, className: "choices" }, heading, ...rows);
}
