// Going back: what it would do is shown first, with whose changes it meets, and done once that was agreed to.

import { newId } from "../sync/editing.js";
import { isAgreed } from "./agreed.js";
import { byId, made, say } from "./dom.js";
import { differences } from "./differences.js";
import { pathLabel } from "./node_types.js";
import { failureInWords, opInWords, plural } from "./words.js";

const SHOWN = 200; // lines of each list; the rest is counted
const EXACT = 2; // times it is asked for at the very change that was looked at; after that somebody types faster than this
const MOVED_ON = "The tree was changed meanwhile. Look again at what would be done.";

export class GoingBack {
  #desk;
  #travel;
  #edits;
  #dialog = byId("going-back");
  #title = byId("going-back-title");
  #body = byId("going-back-body");
  #actions = byId("going-back-actions");
  #plan = null; // what is agreed to: { ask, request, found, done, … }
  /** Takes back what was done here last; null: there is nothing of that, or it was taken back. */
  undo = null;
  #turn = 0; // what is answered to a dialog that was closed, or shows another thing by now, is thrown away

  constructor(desk, travel, edits) {
    this.#desk = desk;
    this.#travel = travel;
    this.#edits = edits;
    this.#dialog.addEventListener("close", () => this.#dialog.open || this.#turn++);
  }

  /** Bring the tree, or the branch of a node, back to the moment that is looked at. `when`: that moment in words. */
  restore(when) {
    const { shown } = this.#travel;
    const to = shown.moment.version === undefined ? { seq: shown.seq } : { version: shown.moment.version };
    const selected = this.#desk.selected;
    const marks = selected ? this.#desk.past.marks.get(selected.id) : undefined;
    const branch = selected && !marks?.includes("added") ? selected : null;
    const whole = {
      verb: "Restore",
      label: "The whole tree",
      ask: (more) => this.#history.restore(to, more),
      done: `The tree is as it was ${when}.`,
    };
    const part = branch && {
      verb: "Restore",
      label: `Only “${branch.title}” and what stood below it`,
      ask: (more) => this.#history.restore(to, { node: branch.id, ...more }),
      done: `“${branch.title}” is as it was ${when}.`,
      node: branch.id,
    };
    this.#open(`Restore the tree of ${when}`, part ? [whole, part] : [whole]);
  }

  /** Take back ops: `which` as `tree.history.revert` has it, `title` what they are, in words. */
  revert(which, title) {
    this.#open(title, [
      { verb: "Take back", ask: (more) => this.#history.revert({ ...which, ...more }), done: "Taken back." },
    ]);
  }

  /** Set a text of a node to what it was. An edit like any other: undone by Undo. */
  bringBack(id, path, text) {
    const node = this.#desk.tree.view.nodes.get(id);
    const [field, key] = path.split(".");
    const now = String((key === undefined ? node[field] : node[field]?.[key]) ?? "");
    this.#show(`Bring back ${pathLabel(path, node.type)} of “${node.title}”`);
    const [left, right] = differences(now, text);
    const side = (name, parts) =>
      made(
        "div",
        { className: "side" },
        made("p", { className: "side-name" }, name),
        made("p", { className: "side-value" }, ...parts),
      );
    this.#body.replaceChildren(made("div", { className: "sides" }, side("Now", left), side("Then", right)));
    const set = () => {
      this.#dialog.close();
      this.#edits.set(id, { [path]: text });
      this.#desk.say(`${pathLabel(path, node.type)} reads as it did.`, "undo");
    };
    this.#offer(now === text ? null : this.#button("Bring it back", set));
  }

  get #history() {
    return this.#desk.tree.history;
  }

  #show(title) {
    this.#turn++;
    this.#plan = null;
    say(this.#title, title);
    this.#body.replaceChildren(made("p", { className: "none", role: "status" }, "Looking what would change…"));
    this.#offer(null);
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #open(title, ways) {
    this.#show(title);
    const choice = ways.length > 1 && this.#choice(ways);
    const preview = made("div", {});
    this.#body.replaceChildren(...[choice, preview].filter(Boolean));
    this.#preview(ways[0], preview);
    if (choice) choice.onchange = ({ target }) => this.#preview(ways[Number(target.value)], preview);
  }

  #choice(ways) {
    const options = ways.map(({ label }, index) =>
      made(
        "label",
        {},
        made("input", {
          type: "radio",
          className: "bare",
          name: "how-much",
          value: String(index),
          checked: index === 0,
        }),
        label,
      ),
    );
    return made(
      "fieldset",
      { className: "choices" },
      made("legend", { className: "visually-hidden" }, "How much"),
      ...options,
    );
  }

  async #preview(way, place) {
    const turn = ++this.#turn;
    this.#plan = null;
    this.#offer(null);
    place.replaceChildren(made("p", { className: "help", role: "status" }, "Looking what would change…"));
    try {
      const found = await way.ask({ dry_run: true });
      if (turn === this.#turn) this.#propose(way, place, found);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error, way, place);
    }
  }

  // `note`: why it is shown again.
  #propose(way, place, found, note = "") {
    this.#plan = found.count ? { ...way, place, found, request: newId() } : null;
    place.replaceChildren(...this.#found(found, note));
    const agree = () => this.#carryOut(this.#plan);
    this.#offer(this.#plan && this.#button(`${way.verb}: ${plural(found.count, "change")}`, agree));
  }

  #found({ count, ops, collisions }, note) {
    const view = this.#desk.view;
    const met = collisions.filter(({ kept }) => !kept);
    const kept = collisions.filter((one) => one.kept);
    return [
      note && made("p", { className: "warning", role: "status" }, note),
      made(
        "p",
        { role: "status" },
        count ? `${plural(count, "change")} would be made:` : "There is nothing to change: all of it is so already.",
      ),
      list(ops, (op) => opInWords(op, view), "ops"),
      met.length > 0 && made("h3", {}, `Later changes by others that go with it (${met.length})`),
      list(met, (one) => this.#collision(one), "met"),
      kept.length > 0 && made("h3", {}, `Stays as it is (${kept.length})`),
      list(kept, (one) => this.#collision(one), "kept"),
    ].filter(Boolean);
  }

  #collision({ node, connection, path, by, why, kept }) {
    const { view } = this.#desk;
    const found = view.nodes.get(node) ?? this.#desk.tree.view.nodes.get(node);
    const thing = found ? `“${found.title}”` : connection ? "a connection" : node ? "a node that is gone" : "the tree";
    const what = path && path !== "node" ? `${pathLabel(path, found?.type)} of ${thing}` : thing;
    const who = by ? ` (${this.#desk.nameOf(by)})` : "";
    return kept ? `${what}${who}${why ? `: ${why}` : ""}` : `${what}${who}`;
  }

  async #carryOut(plan) {
    const turn = this.#turn;
    this.#wait(true);
    try {
      const done = await this.#asAgreed(plan, turn);
      if (done) this.#landed(plan, done, turn);
    } catch (error) {
      if (turn === this.#turn) this.#failed(error, plan, plan.place);
      else this.#desk.say(inWords(error), "refused");
    } finally {
      if (turn === this.#turn) this.#wait(false);
    }
  }

  #wait(isWaiting) {
    for (const one of this.#dialog.querySelectorAll("#going-back-body input, #going-back-actions button"))
      one.disabled = isWaiting;
  }

  // Whoever types elsewhere moves the tree on all the time: what was agreed to holds as long as it would still be the same.
  // Null: it would not, and is shown again; or the person has turned away.
  async #asAgreed(plan, turn) {
    let { seq } = plan.found;
    for (let times = 1; ; times += 1) {
      try {
        return await plan.ask({ request: plan.request, ...(times <= EXACT && { seq }) });
      } catch (error) {
        if (error.code !== "stale" || times > EXACT) throw error;
      }
      const found = await plan.ask({ dry_run: true });
      if (turn !== this.#turn) return null;
      if (!isAgreed(plan.found, found)) return void this.#propose(plan, plan.place, found, MOVED_ON);
      seq = found.seq;
    }
  }

  #landed(plan, done, turn) {
    if (turn === this.#turn) {
      this.#dialog.close();
      this.#travel.back();
      if (plan.node) this.#desk.goTo(plan.node);
    }
    this.undo = done.undo && (() => this.#undo(done.undo));
    this.#desk.say(`${plan.done} ${plural(done.count, "change")} made.`, "undo", this.undo);
    this.#travel.dispatchEvent(new Event("moment"));
  }

  // Where it fails the way back stays: asked again it is the same request.
  async #undo(undo, request = newId()) {
    this.#setUndo(null);
    try {
      const { count } = await this.#history.revert({ ...undo, request });
      this.#desk.say(`Undone: ${plural(count, "change")}.`, "note");
    } catch (error) {
      if (mayHelp(error)) this.#setUndo(this.undo ?? (() => this.#undo(undo, request)));
      this.#desk.say(failureInWords(error), "refused");
    }
  }

  #setUndo(undo) {
    this.undo = undo;
    this.#travel.dispatchEvent(new Event("moment"));
  }

  // Asked again without network it is the same request: the server does it once, whatever it has heard of the first.
  #failed(error, way, place) {
    const again = this.#plan === way ? () => this.#carryOut(way) : () => this.#preview(way, place);
    place.replaceChildren(made("p", { className: "trouble", role: "alert" }, inWords(error)));
    const root = this.#desk.tree.view.children(null)[0];
    if (error.code === "parent_missing" && way.node && root) {
      const below = { ...way, ask: (more) => way.ask({ ...more, parent: root.id }) };
      this.#offer(this.#button(`Bring it back below “${root.title}”`, () => this.#preview(below, place)));
    } else
      this.#offer(mayHelp(error) ? this.#button("Try again", again) : null);
  }

  #button(text, onclick) {
    return made("button", { type: "button", className: "button primary", onclick }, text);
  }

  #offer(main) {
    const cancel = made(
      "button",
      { type: "button", className: "button", onclick: () => this.#dialog.close() },
      main ? "Cancel" : "Close",
    );
    this.#actions.replaceChildren(...[main, cancel].filter(Boolean));
  }
}

function list(things, inWords, name) {
  if (!things.length) return null;
  const rows = things.slice(0, SHOWN).map((one) => made("li", {}, inWords(one)));
  if (things.length > SHOWN) rows.push(made("li", { className: "quiet" }, `and ${things.length - SHOWN} more`));
  return made(
    "ul",
    {
      className: "plan",
      "data-list": name,
      tabIndex: 0,
      "aria-label": name === "ops" ? "What would be changed" : "Changes by others",
    },
    ...rows,
  );
}

const SENTENCES = {
  forbidden: "You may look at the past of this tree, not bring it back.",
  parent_missing: "What it stood below is gone, so it has no place to come back to.",
  node_missing: "It was not there at that moment.",
};

// Whether asking again may help.
const mayHelp = ({ code, status }) => status === 0 || status >= 500 || ["unavailable", "rate"].includes(code);
const inWords = (error) => SENTENCES[error.code] ?? failureInWords(error);
