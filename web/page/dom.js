// Making elements. Text is always set as text, so nothing a person typed is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

// Strokes on a 16 by 16 grid.
const ICONS = {
  undo: "M6 3 3 6l3 3M3.2 6h6a3.8 3.8 0 0 1 0 7.6H6.5",
  redo: "m10 3 3 3-3 3M12.8 6h-6a3.8 3.8 0 0 0 0 7.6h2.7",
  find: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.4 10.4 13.5 13.5",
  trash: "M2.8 4.2h10.4M6.2 4V2.5h3.6V4M4.2 4.3l.6 9.2h6.4l.6-9.2M6.7 6.8v4.2M9.3 6.8v4.2",
  inbox: "M2.5 9.2 4.4 3h7.2l1.9 6.2v4h-11v-4ZM2.7 9.2h3l.9 1.7h2.8l.9-1.7h3",
  theme: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11ZM8 2.5v11M8 5h3.9M8 8h5.4M8 11h3.9",
  help: "M6 6.1a2.1 2.1 0 1 1 3 1.9c-.7.4-1 .8-1 1.5M8 11.8v.2M8 14.2A6.2 6.2 0 1 0 8 1.8a6.2 6.2 0 0 0 0 12.4Z",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  close: "m4 4 8 8M12 4l-8 8",
  chevron: "m4.5 6.2 3.5 3.6 3.5-3.6",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  child: "M4 2.5v5.8c0 1 .7 1.7 1.7 1.7H8M11.2 7.2v5.6M8.4 10H14",
  sibling: "M2.5 4.5h4v4h-4zM11.5 4v5M9 6.5h5M2.5 12.5h11",
  rename: "m3 13 .6-2.7 7.2-7.2 2.1 2.1-7.2 7.2L3 13ZM9.4 4.5l2.1 2.1",
  fold: "M8 2.5v4M6.2 4.8 8 6.6l1.8-1.8M8 13.5v-4M6.2 11.2 8 9.4l1.8 1.8M3 8h10",
  link: "M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2-2a2.6 2.6 0 1 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0l-2 2a2.6 2.6 0 1 0 3.7 3.7l.9-.9",
  tidy: "M6 2.5h4v3H6zM2.5 10.5h4v3h-4zM9.5 10.5h4v3h-4zM8 5.5V8M4.5 10.5V8h7v2.5",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  details: "M2.5 3h11v10h-11zM9.5 3v10",
  download: "M8 2.5v7.2M5 7l3 3 3-3M3 13h10",
  restore: "M3 8a5 5 0 1 0 1.6-3.7M4.4 2v2.6H7",
  history: "M2.8 8a5.2 5.2 0 1 0 1.5-3.7M4.3 1.9v2.6h2.6M8 5v3.2l2.2 1.3",
  before: "M10.5 4 6.5 8l4 4M4 4v8",
  after: "m5.5 4 4 4-4 4M12 4v8",
  go: "M3 8h9.5M9 4.5 12.5 8 9 11.5",
  done: "m3 8.5 3.2 3.2L13 5",
  activity: "M1.5 8.5h2.8L6.4 3l3.2 10 2-4.5h2.9",
  chart: "M2.5 13.5h11M4.5 11V8M8 11V3.5M11.5 11V6",
  upload: "M8 10V2.8M5 5.5l3-3 3 3M3 13h10",
  people:
    "M6 7.5A2.3 2.3 0 1 0 6 3a2.3 2.3 0 0 0 0 4.5ZM2 13c.2-2.4 1.8-3.7 4-3.7s3.8 1.3 4 3.7M10.6 3.2a2.2 2.2 0 0 1 0 4.1M11.6 9.6c1.4.4 2.3 1.6 2.4 3.4",
};

/**
 * An element. Properties that start with `aria-`, `data-` or are `role`, `for`, `list` become attributes, `on…` are listeners.
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | null | undefined | false)} children
 */
export function made(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("aria-") || name.startsWith("data-") || ["role", "for", "list"].includes(name)) {
      element.setAttribute(name, String(value));
    } else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of SVG with these attributes. */
export function drawn(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A small picture that says nothing to assistive technology: the control around it has the name. */
export function icon(name) {
  return drawn(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    drawn("path", { d: ICONS[name] }),
  );
}

/** A button with a picture; its name is shown when the pointer rests on it. */
export function iconButton(name, label, onclick, properties = {}) {
  return made(
    "button",
    { type: "button", className: "icon-button", title: label, "aria-label": label, onclick, ...properties },
    icon(name),
  );
}

/** Set text only where it differs: a live region must not repeat itself. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} id */
export const byId = (id) => document.getElementById(id);

/** True while the person types into a field, so that single keys are text. */
export function isTyping(target) {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Run `work` once per frame however often it is asked for. */
export function perFrame(work) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      work();
    });
  };
}
