// Editors of single fields of a node, bound to the tree: text that is typed together, numbers, choices, the title.

import { bind } from "./coedit.js";
import { made } from "./dom.js";

const LONGEST_TITLE = 500; // characters, as the server has it
const HELD_BYTES = 262_144; // limits.value_bytes where the server has not said it

/** The value at a path such as `title` or `template_data.core_why`. */
export function read(node, path) {
  const [field, key] = path.split(".");
  return key === undefined ? node?.[field] : node?.[field]?.[key];
}

const asText = (value) => (value === null || value === undefined ? "" : String(value));

/** Make an area as high as its text. */
export function grow(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

/**
 * Bind a field to a text path of a node. Answers what stops it.
 * @param {import("./desk.js").Desk} desk
 */
export function bindText(desk, edits, field, id, path, { changed } = {}) {
  const bytes = desk.client.limits?.value_bytes ?? HELD_BYTES;
  const stored = () => read(desk.view.nodes.get(id), path);
  const bound = bind(field, {
    read: () => asText(stored()),
    allows: (text) => fits(desk, path, text, bytes),
    splice: (at, remove, insert) => edits.watch(write(desk.tree, id, path, stored(), at, remove, insert)),
    changed,
  });
  field.addEventListener("focus", () => desk.edit(id, path));
  field.addEventListener("blur", () => desk.edit(null));
  return bound;
}

// A number or an absent value is no text yet, which a delta could change: it is set whole, once.
function write(tree, id, path, value, at, remove, insert) {
  if (typeof value === "string") return tree.splice(id, path, at, remove, insert);
  const text = asText(value);
  return tree.update(id, { [path]: text.slice(0, at) + insert + text.slice(at + remove) });
}

function fits(desk, path, text, bytes) {
  if (path === "title") return text.trim() !== "" && [...text].length <= LONGEST_TITLE;
  if (text.length * 3 <= bytes || new TextEncoder().encode(text).length <= bytes) return true;
  desk.say(`This text is longer than ${Math.round(bytes / 1024)} kB and is not stored.`, "refused");
  return false;
}

/** A labelled editor of one field of a template. Answers `{ element, show, stop }`. */
export function templateField(desk, edits, id, spec) {
  const path = `template_data.${spec.key}`;
  const control = { choice, date, flag, list, number }[spec.kind] ?? text;
  const name = `field-${spec.key}`;
  const made_ = control(desk, edits, id, path, spec, name);
  const help = spec.help && made("p", { className: "help", id: `${name}-help` }, spec.help);
  if (help) made_.field.setAttribute("aria-describedby", help.id);
  const element = made(
    "div",
    { className: "field", "data-path": path },
    made("label", { for: name }, spec.label),
    made_.field,
    help,
  );
  return { element, show: made_.show, stop: made_.stop };
}

function text(desk, edits, id, path, { kind }, name) {
  const field =
    kind === "area"
      ? made("textarea", { id: name, rows: 1 })
      : made("input", { id: name, type: "text", autocomplete: "off" });
  field.readOnly = !desk.mayEdit;
  const bound = bindText(desk, edits, field, id, path, { changed: kind === "area" ? () => grow(field) : undefined });
  return { field, ...bound };
}

function number(desk, edits, id, path, spec, name) {
  const field = made("input", { id: name, type: "number", step: "any", inputMode: "decimal" });
  field.readOnly = !desk.mayEdit;
  const show = () => document.activeElement !== field && (field.value = asText(read(desk.view.nodes.get(id), path)));
  field.onfocus = () => desk.edit(id, path);
  field.onblur = () => {
    desk.edit(null);
    show();
  };
  field.onchange = () => {
    if (field.validity.badInput) desk.say("This is not a number; it was not stored.", "refused");
    else set(desk, edits, id, path, field.value === "" ? null : Number(field.value));
  };
  show();
  return { field, show, stop() {} };
}

function choice(desk, edits, id, path, { choices }, name) {
  return picked(desk, edits, id, path, name, choices, { asText, asValue: (text) => text });
}

const FLAG = [
  ["", "Not set"],
  ["true", "Yes"],
  ["false", "No"],
];

function flag(desk, edits, id, path, _spec, name) {
  return picked(desk, edits, id, path, name, FLAG, { asText, asValue: (text) => text === "true" });
}

// One of several; the empty choice is no value at all.
function picked(desk, edits, id, path, name, choices, { asText: shownAs, asValue }) {
  const field = made(
    "select",
    { id: name, disabled: !desk.mayEdit },
    ...choices.map(([value, label]) => made("option", { value }, label)),
  );
  const show = () => (field.value = shownAs(read(desk.view.nodes.get(id), path)));
  field.onchange = () => set(desk, edits, id, path, field.value === "" ? null : asValue(field.value));
  show();
  return { field, show, stop() {} };
}

function date(desk, edits, id, path, _spec, name) {
  const field = made("input", { id: name, type: "date" });
  const show = () => (field.value = asText(read(desk.view.nodes.get(id), path)).slice(0, "2026-01-05".length));
  return whole(desk, edits, id, path, field, show, () => field.value || null);
}

/** A list is typed one item a line. It may be stored as a text too. */
function list(desk, edits, id, path, _spec, name) {
  const field = made("textarea", { id: name, rows: 2, placeholder: "One a line" });
  const lines = (value) => (Array.isArray(value) ? value.map(asText).join("\n") : asText(value));
  const show = () => {
    if (document.activeElement !== field) field.value = lines(read(desk.view.nodes.get(id), path));
    if (field.isConnected) grow(field);
  };
  const items = () =>
    field.value
      .split("\n")
      .map((one) => one.trim())
      .filter(Boolean);
  field.oninput = () => grow(field);
  return whole(desk, edits, id, path, field, show, () => (items().length ? items() : null));
}

// What is not typed together: stored when the person leaves the field.
function whole(desk, edits, id, path, field, show, value) {
  field.readOnly = !desk.mayEdit;
  field.onfocus = () => desk.edit(id, path);
  field.onblur = () => {
    desk.edit(null);
    show();
  };
  field.onchange = () => set(desk, edits, id, path, value());
  show();
  return { field, show, stop() {} };
}

// null: the field holds nothing any more.
function set(desk, edits, id, path, value) {
  if (value === null) edits.watch(desk.tree.update(id, {}, [path]));
  else edits.set(id, { [path]: value });
}
