// Small panels below a button: the browser shows them above all else, and closes them by Escape and by a click beside.

const MARGIN = 8; // pixels to the window's edges

/**
 * Open `element` by `button`.
 * @param {HTMLButtonElement} button
 * @param {HTMLElement} element
 * @param {{ width: number, opens?: () => void }} how `width`: of the element in pixels; `opens`: fill it now
 */
export function attach(button, element, { width, opens = () => {} }) {
  element.popover = "auto";
  element.classList.add("popover");
  button.popoverTargetElement = element;
  button.setAttribute("aria-expanded", "false");
  element.addEventListener("beforetoggle", ({ newState }) => {
    button.setAttribute("aria-expanded", String(newState === "open"));
    if (newState !== "open") return;
    const { left, bottom } = button.getBoundingClientRect();
    element.style.left = `clamp(${MARGIN}px, ${Math.round(left)}px, calc(100vw - ${width + MARGIN}px))`;
    element.style.top = `${Math.round(bottom) + 6}px`;
    opens();
  });
}

/** Whether one is open: keys belong to it then. */
export const isPopoverOpen = () => document.querySelector(":popover-open") !== null;
