// Undo and redo of one's own changes, newest first, with respect for what others did since.
//
// Two stacks of groups of steps (steps.js). The delta that takes a text edit back stands on the text as it is after that
// edit; whatever comes under it is carried through the stack from the top, as through a queue: each delta is transformed
// over the change, and the change over each delta. So the newest step always fits what its author sees.

import { composed, transformed } from "../text.js";
import { same, stepOf } from "./steps.js";

const MOST_GROUPS = 200;
const PAUSE_MS = 1_000; // typing and dragging without a longer rest is undone together

/** The undo and redo of one tree on one page; see the module. */
export class Undo {
  #tree;
  #edit;
  #undos = [];
  #redos = [];
  #touched = new Set(); // ids of nodes that others have changed while this page watched
  #seen = 0; // what is told again after a snapshot was carried before
  #group = null; // edits made inside are undone together
  #last = -Infinity; // when the newest step was made

  /** `edit(op, mode, record)` makes an edit whose step goes to `record`. */
  constructor(tree, edit) {
    this.#tree = tree;
    this.#edit = edit;
  }

  get canUndo() {
    return this.#undos.length > 0;
  }

  get canRedo() {
    return this.#redos.length > 0;
  }

  stepOf(op, view) {
    return stepOf(op, view);
  }

  /** An edit was made by its person. */
  did(step, answer) {
    this.#redos = [];
    const now = performance.now();
    const isPrompt = now - this.#last < PAUSE_MS;
    this.#last = now;
    if (this.#group) this.#group.push(step);
    else if (!isPrompt || !joined(this.#undos.at(-1)?.at(-1), step)) push(this.#undos, [step]);
    forget(step, answer);
  }

  group(edits) {
    if (this.#group) return edits();
    this.#group = [];
    try {
      return edits();
    } finally {
      if (this.#group.length) push(this.#undos, this.#group);
      this.#group = null;
      this.#last = -Infinity;
    }
  }

  undo() {
    return this.#take(this.#undos, this.#redos);
  }

  redo() {
    return this.#take(this.#redos, this.#undos);
  }

  // Take back the newest group of which anything still stands; answers its results, null where there is none.
  #take(from, to) {
    this.#last = -Infinity;
    while (from.length) {
      const taken = [];
      const results = [];
      for (const step of from.pop().toReversed()) {
        const ops = step.isDead ? [] : step.undo(this.#tree.view, this.#touched);
        if (!ops.length) this.#lose(step, from);
        for (const op of ops) {
          const record = (back, answer) => {
            taken.push(back);
            forget(back, answer);
          };
          results.push(this.#edit(op, "live", record));
        }
      }
      if (taken.length) push(to, taken);
      if (results.length) return Promise.all(results);
    }
    return null;
  }

  // A step that is passed over leaves older deltas of the same text without the text they stand on.
  #lose(step, stack) {
    const paths =
      step.kind === "text" ? [step.path] : step.kind === "fields" && step.node ? Object.keys(step.changes) : [];
    for (const path of paths) this.#drop(stack, step.node, path);
  }

  #drop(stack, node, path) {
    for (const group of stack) for (const step of group) if (isText(step, node, path)) step.isDead = true;
  }

  // ---- what comes under it

  /** A text was changed under us by the op of `seq`; null: one of our own changes was taken away. */
  carry(node, path, change, seq) {
    if (seq === null) for (const stack of [this.#undos, this.#redos]) this.#drop(stack, node, path);
    else if (change && seq > this.#seen)
      for (const stack of [this.#undos, this.#redos]) this.#carryThrough(stack, node, path, change);
  }

  #carryThrough(stack, node, path, change) {
    let isCovered = false; // by a value that was set: what stood before it can not be told any more
    for (const group of stack.toReversed()) {
      for (const step of group.toReversed()) {
        if (isText(step, node, path)) {
          if (isCovered) step.isDead = true;
          else if (!step.isDead) [change, step.delta] = transformed(change, step.delta);
        } else if (step.kind === "fields" && step.node === node && path in step.changes) isCovered = true;
      }
    }
  }

  /** Ops have come. */
  heard({ ops }) {
    for (const op of ops) {
      this.#seen = Math.max(this.#seen, op.seq);
      if (op.own) continue;
      for (const id of op.nodes?.map((node) => node.id) ?? [op.node]) if (id !== undefined) this.#touched.add(id);
      if (op.op === "move" && !op.client.startsWith("respace:")) this.#placedByOther(op.node);
    }
  }

  #placedByOther(node) {
    for (const group of [...this.#undos, ...this.#redos]) {
      for (const step of group) if (step.kind === "placed" && step.node === node) step.isDead = true;
    }
  }

  /** Confirmed state was taken anew: who changed what on the way is not known. */
  replaced(before, after) {
    for (const node of after.nodes.values())
      if (before.nodes.get(node.id)?.seq !== node.seq) this.#touched.add(node.id);
    for (const group of [...this.#undos, ...this.#redos])
      for (const step of group) if (step.kind === "text") step.isDead = true;
  }
}

function isText(step, node, path) {
  return step.kind === "text" && step.node === node && step.path === path;
}

function push(stack, group) {
  stack.push(group);
  if (stack.length > MOST_GROUPS) stack.shift();
}

// An edit that did nothing leaves nothing to take back.
async function forget(step, answer) {
  const { status } = await answer;
  if (["rejected", "conflict", "superseded"].includes(status)) step.isDead = true;
}

/** Whether a later step has become part of an earlier one. */
function joined(earlier, later) {
  if (!earlier || earlier.isDead || earlier.node !== later.node) return false;
  if (earlier.kind === "fields" && later.kind === "text" && same(Object.keys(earlier.changes), [later.path])) {
    earlier.changes[later.path].after = later.after; // typing over what was replaced as a whole
    return true;
  }
  if (earlier.kind !== later.kind) return false;
  if (later.kind === "text" && earlier.path === later.path) {
    earlier.delta = composed(later.delta, earlier.delta);
    return true;
  }
  if (later.kind === "placed" && earlier.isDrag && later.isDrag) {
    earlier.left = later.left;
    return true;
  }
  const isSame = later.kind === "fields" && earlier.connection === later.connection;
  if (!isSame || !same(Object.keys(earlier.changes), Object.keys(later.changes))) return false;
  for (const [path, change] of Object.entries(later.changes)) earlier.changes[path].after = change.after;
  return true;
}
