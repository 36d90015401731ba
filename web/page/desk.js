// What all parts of the page share: the open tree as it is to be seen, the selection, and who is named how.

import { perFrame } from "./dom.js";
import { Progress } from "./progress.js";
import { sceneOf } from "./scene.js";
import { Templates } from "./templates.js";

const KEPT_CHANGES = 20; // per node, newest first
const EDITORS = ["editor", "owner"];
const PRESENCE_MS = 60; // at most about 16 presence messages a second

/**
 * Events: `scene` (the tree changed), `selection`, `people`, `status`, `conflict`, `said` (detail: { text, tone }), and
 * `show` (detail: a node to bring into view).
 */
export class Desk extends EventTarget {
  client;
  tree;
  /** How far the tree is. */
  progress;
  /** The fields of each type of node. */
  templates;
  /** @type {import("./scene.js").Scene} */
  scene;
  /** The moment that is looked at instead of now. @type {import("./past.js").Past | null} */
  past = null;
  selection = null;
  /** Field that this person types into: `{ node, path }`. */
  editing = null;
  cursor = null;
  names = new Map();
  #changes = new Map(); // node id to the newest changes this page has seen
  #presenceTimer = 0;

  constructor(client, tree) {
    super();
    this.client = client;
    this.tree = tree;
    this.progress = new Progress(tree);
    this.templates = new Templates(client);
    this.scene = sceneOf(tree.view);
    this.selection = tree.view.children(null)[0]?.id ?? null;
    const redraw = perFrame(() => this.past || this.#rebuild()); // what others do now is seen on the way back
    tree.addEventListener("change", (event) => {
      this.#remember(event.detail);
      redraw();
    });
    tree.addEventListener("people", () => this.#meet());
    for (const name of ["status", "conflict", "role"]) tree.addEventListener(name, () => this.#tell("status"));
    tree.addEventListener("conflict", () => this.#tell("conflict"));
    tree.addEventListener("role", redraw);
    this.#meet();
  }

  /** What is to be seen: the tree as it is, or was. */
  get view() {
    return this.past?.view ?? this.tree.view;
  }

  /** Whether this person's role is one that edits. */
  get isEditor() {
    return EDITORS.includes(this.tree.role);
  }

  /** Whether what is to be seen can be edited: nobody edits the past. */
  get mayEdit() {
    return this.past === null && this.isEditor;
  }

  /** See the tree as it was; null: as it is. @param {import("./past.js").Past | null} past */
  lookAt(past) {
    if (!this.past) document.activeElement?.closest("[data-path], .title-input")?.blur(); // what is typed there is of now
    this.past = past;
    document.body.classList.toggle("is-past", past !== null);
    this.#rebuild();
    this.#tell("status");
    this.present();
  }

  /** Fold a branch or unfold it while the past is looked at, for nobody else. */
  foldPast(id, is_collapsed) {
    this.past.fold(id, is_collapsed);
    this.#rebuild();
  }

  /** The selected node, or null. */
  get selected() {
    return this.view.nodes.get(this.selection) ?? null;
  }

  /** @param {string | null} id */
  select(id, { show = true, focus = true } = {}) {
    if (id !== null && !this.view.nodes.has(id)) return;
    const changed = id !== this.selection;
    this.selection = id;
    if (changed) this.present();
    this.dispatchEvent(new CustomEvent("selection", { detail: { show, focus, changed } }));
  }

  /** Bring a node into view although it may be folded away; only what hides it is unfolded. */
  goTo(id) {
    for (
      let above = this.view.nodes.get(this.view.nodes.get(id)?.parent);
      above;
      above = this.view.nodes.get(above.parent)
    ) {
      if (!above.is_collapsed) continue;
      if (this.past) this.past.fold(above.id, false);
      else this.tree.update(above.id, { is_collapsed: false });
    }
    this.#rebuild();
    this.select(id);
  }

  /** Say something in the live region and, for a tone other than "quiet", where eyes see it. Of tone "undo" with the way
   *  back: `undo`, or the last edit's own. */
  say(text, tone = "note", undo = null) {
    this.dispatchEvent(new CustomEvent("said", { detail: { text, tone, undo } }));
  }

  /** The name of a user, as far as this page has met them. */
  nameOf(user) {
    if (user === this.client.user) return "you";
    return this.names.get(user) ?? (user ? user[0].toUpperCase() + user.slice(1) : "someone");
  }

  /** Changes of a node seen by this page, newest first: `{ user, via, at, op }`. */
  changesOf(id) {
    return this.#changes.get(id) ?? [];
  }

  /** Tell others where this person is; at most every PRESENCE_MS. */
  present() {
    this.#presenceTimer ||= setTimeout(() => {
      this.#presenceTimer = 0;
      this.tree.present({
        cursor: this.past ? undefined : (this.cursor ?? undefined),
        selection: this.selection && !this.past ? [this.selection] : [],
        editing: this.editing ?? undefined,
      });
    }, PRESENCE_MS);
  }

  edit(node, path) {
    this.editing = node && { node, path };
    this.present();
  }

  #rebuild() {
    const before = this.scene;
    this.scene = sceneOf(this.view, before);
    if (this.selection && !this.view.nodes.has(this.selection)) this.#selectNear(before.view);
    this.#tell("scene");
  }

  // The selected node is gone: its parent, or the next above that is still there, takes its place.
  #selectNear(old) {
    let id = this.selection;
    while (id && !this.view.nodes.has(id)) id = old.nodes.get(id)?.parent ?? null;
    this.select(id, {
      focus: document.activeElement === document.body || !!document.activeElement?.closest("#canvas"),
    });
  }

  #meet() {
    for (const { user, name } of this.tree.people.values()) if (name) this.names.set(user, name);
    this.#tell("people");
  }

  #remember({ ops }) {
    for (const op of ops) {
      const { node: id, user } = op;
      if (!id || !user) continue;
      const known = this.#changes.get(id) ?? [];
      const change = { user, via: op.via, at: Date.parse(op.at) || Date.now(), op };
      const others = known.filter((one) => one.user !== user || !isAlike(one.op, op));
      this.#changes.set(id, [change, ...others].slice(0, KEPT_CHANGES));
    }
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
  }
}

// One line for all that someone typed into a field, at the time of the last letter.
function isAlike(one, other) {
  const fields = ({ set = {}, unset = [] }) => [...Object.keys(set), ...unset].join();
  return one.op === other.op && one.path === other.path && fields(one) === fields(other);
}
