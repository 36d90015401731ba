// The others: avatars in the header, cursors on the canvas, outlines of what they have selected or type into.

import { made, say } from "./dom.js";
import { pathLabel } from "./node_types.js";

// White text on each has a contrast of at least 4.5:1, and each stands out from both canvases.
const COLOURS = ["#3451b2", "#0d74a8", "#0a7a6c", "#2f7a38", "#9a5b00", "#b4441f", "#b3266e", "#7b3fb5"];
const MOST_AVATARS = 5;
const STILL_MS = 15_000; // a cursor that rests this long fades

/** The colour of a user: the same on every page. */
export function colourOf(user) {
  let hash = 7;
  for (const letter of user) hash = (hash * 31 + letter.codePointAt(0)) >>> 0;
  return COLOURS[hash % COLOURS.length];
}

/** A person's initials in their colour. */
export function face(user, name) {
  const round = made("span", { className: "face", "aria-hidden": "true" }, initials(name));
  round.style.backgroundColor = colourOf(user);
  return round;
}

export class People {
  #desk;
  #canvas;
  #avatars;
  #layer;
  #cursors = new Map(); // participant id to { element, tag, key, at, still }
  #watched = "";
  #met = null; // names at the last look, for the live region

  constructor(desk, canvas, avatars, layer) {
    this.#desk = desk;
    this.#canvas = canvas;
    this.#avatars = avatars;
    this.#layer = layer;
    desk.addEventListener("people", () => this.draw());
    canvas.addEventListener("look", () => this.#place());
    canvas.frame.addEventListener("pointerleave", () => this.#point(null));
    this.draw();
  }

  /** Tell the others where this person's pointer is. */
  point(event) {
    this.#point(event && this.#canvas.camera.toCanvas(event));
  }

  #point(at) {
    if (!at && !this.#desk.cursor) return;
    this.#desk.cursor = at && { x: Math.round(at.x), y: Math.round(at.y) };
    this.#desk.present();
  }

  draw() {
    const people = [...this.#desk.tree.people.values()];
    this.#drawAvatars(people);
    this.#drawWatchers(people);
    this.#drawCursors(people);
    this.#announce(people);
  }

  #drawAvatars(people) {
    const { client } = this.#desk;
    const mine = {
      id: "self",
      user: client.user ?? "",
      name: this.#desk.names.get(client.user) ?? client.user ?? "",
      kind: "human",
      state: {},
    };
    const key = JSON.stringify([
      mine.user,
      ...people.map(({ id, user, name, kind, state }) => [id, user, name, kind, state.editing]),
    ]);
    if (this.#avatars.dataset.key === key) return;
    this.#avatars.dataset.key = key;
    const shown = people.slice(0, MOST_AVATARS).map((one) => this.#avatar(one));
    const more = people.length - shown.length;
    if (more > 0)
      shown.push(
        made(
          "li",
          {
            className: "avatar more",
            title: people
              .slice(MOST_AVATARS)
              .map((one) => one.name)
              .join(", "),
          },
          `+${more}`,
        ),
      );
    this.#avatars.replaceChildren(...shown);
  }

  #avatar(one) {
    const doing = this.#doing(one);
    const label = `${this.#name(one)}${one.kind === "agent" ? " (agent)" : ""}${doing ? `, ${doing}` : ""}`;
    const face = made(
      "button",
      { type: "button", className: "face", title: label, "aria-label": label, onclick: () => this.#goTo(one) },
      initials(one.name),
    );
    face.style.backgroundColor = colourOf(one.user);
    return made(
      "li",
      { className: "avatar", "data-kind": one.kind, "data-user": one.user },
      face,
      one.kind === "agent" && made("span", { className: "agent-mark", "aria-hidden": "true" }, "bot"),
    );
  }

  // The same person may be here twice.
  #name({ user, name }) {
    return user === this.#desk.client.user ? `${name} (you, elsewhere)` : name;
  }

  #doing({ state }) {
    const node = this.#desk.view.nodes.get(state.editing?.node ?? state.selection?.[0]);
    if (!node) return "";
    return state.editing
      ? `typing in ${pathLabel(state.editing.path, node.type)} of “${node.title}”`
      : `at “${node.title}”`;
  }

  #goTo({ state, name }) {
    const id = state.editing?.node ?? state.selection?.[0];
    if (id && this.#desk.view.nodes.has(id)) this.#desk.goTo(id);
    else this.#desk.say(`${name} has nothing selected.`);
  }

  #drawWatchers(people) {
    const watchers = new Map();
    for (const one of people) {
      const { user, state } = one;
      const id = state.editing?.node ?? state.selection?.[0];
      if (!id) continue;
      const all = watchers.get(id) ?? watchers.set(id, []).get(id);
      all.push({ name: this.#name(one), color: colourOf(user), editing: !!state.editing });
    }
    this.#canvas.watchers = watchers;
    const key = JSON.stringify([...watchers]); // cursors move far more often than selections
    if (key !== this.#watched) this.#canvas.redraw();
    this.#watched = key;
  }

  #drawCursors(people) {
    const left = new Set(this.#cursors.keys());
    for (const one of people) {
      const at = one.state.cursor;
      if (!at) continue;
      left.delete(one.id);
      const cursor = this.#cursors.get(one.id) ?? this.#newCursor(one);
      if (cursor.at?.x === at.x && cursor.at?.y === at.y) continue;
      cursor.at = at;
      cursor.element.classList.remove("still");
      clearTimeout(cursor.still);
      cursor.still = setTimeout(() => cursor.element.classList.add("still"), STILL_MS);
    }
    for (const id of left) {
      clearTimeout(this.#cursors.get(id).still);
      this.#cursors.get(id).element.remove();
      this.#cursors.delete(id);
    }
    this.#place();
  }

  #newCursor({ id, name, user, kind }) {
    const tag = made("span", { className: "cursor-name" });
    say(tag, kind === "agent" ? `${name} · agent` : name);
    const element = made("div", { className: "cursor", "data-user": user }, tag);
    element.style.setProperty("--who", colourOf(user));
    this.#layer.append(element);
    const cursor = { element, at: null, still: 0 };
    this.#cursors.set(id, cursor);
    return cursor;
  }

  #place() {
    const { x, y, scale } = this.#canvas.camera;
    for (const { element, at } of this.#cursors.values())
      element.style.transform = `translate(${at.x * scale + x}px, ${at.y * scale + y}px)`;
  }

  #announce(people) {
    const now = new Map(people.map((one) => [one.id, one.name]));
    if (this.#met) {
      for (const [id, name] of now) if (!this.#met.has(id)) this.#desk.say(`${name} is here.`, "quiet");
      for (const [id, name] of this.#met) if (!now.has(id)) this.#desk.say(`${name} left.`, "quiet");
    }
    this.#met = now;
  }
}

/** One or two letters for a name. */
export function initials(name) {
  const words = name.trim().split(/\s+/).filter(Boolean);
  return (
    words.length > 1 ? [...words[0]][0] + [...words.at(-1)][0] : [...(words[0] ?? "?")].slice(0, 2).join("")
  ).toUpperCase();
}
