// The history panel: versions, what has changed since, and taking back. While it is open the bar with the slider is too.

import { byId, iconButton, made, say } from "./dom.js";
import { GoingBack } from "./going_back.js";
import { PastBar } from "./past_bar.js";
import { SinceList } from "./since_list.js";
import { TakeBack } from "./take_back.js";
import { TimeTravel } from "./time_travel.js";
import { VersionList } from "./version_list.js";
import { Versions } from "./versions.js";

export class HistoryPanel {
  #desk;
  #travel;
  #element = byId("history");
  #bar = byId("past-bar");
  #pastBar;
  #goingBack;
  #parts;
  #tabs;
  #button = byId("show-history");
  #note = made("p", { className: "help", hidden: true }, "You may look at the past of this tree, not bring it back.");
  #canvas;
  #missing = new Set(["versions", "take-back"]); // parts that the server has not told yet
  #shift = 0; // pixels by which the canvas made room for the bar

  /** @param {import("./canvas.js").Canvas} canvas */
  constructor(desk, canvas, edits) {
    this.#desk = desk;
    this.#canvas = canvas;
    this.#travel = new TimeTravel(desk);
    const versions = new Versions(desk.tree);
    this.#goingBack = new GoingBack(desk, this.#travel, edits);
    this.#pastBar = new PastBar(
      desk,
      this.#travel,
      versions,
      this.#bar,
      { restore: () => this.#restore() },
      this.#goingBack,
    );
    this.#parts = {
      versions: new VersionList(desk, this.#travel, versions),
      since: new SinceList(desk, this.#travel),
      "take-back": new TakeBack(desk, this.#travel, versions, this.#goingBack),
    };
    this.#tabs = this.#made({ versions: "Versions", since: "Since then", "take-back": "Take back" });
    this.#button.onclick = () => this.toggle();
    this.#element.addEventListener(
      "keydown",
      (event) => event.key === "Escape" && !event.defaultPrevented && this.leave(event),
    );
    desk.addEventListener("status", () => this.#drawRights());
    desk.client.addEventListener("state", () => this.isOpen && desk.client.state === "online" && this.#load());
    this.#drawRights();
    const watched = new ResizeObserver(() => this.#cover());
    for (const one of [this.#bar, this.#element]) watched.observe(one);
  }

  // The camera keeps clear of the bar, and of the panel where that is a sheet over the canvas.
  #cover() {
    const { frame, camera } = this.#canvas;
    const { top, bottom, right } = frame.getBoundingClientRect();
    const sheet = this.#element.getBoundingClientRect();
    camera.covered = {
      top: this.isOpen ? this.#bar.getBoundingClientRect().bottom - top : 0,
      bottom: this.isOpen && sheet.left < right ? bottom - sheet.top : 0,
    };
  }

  get isOpen() {
    return !this.#element.hidden;
  }

  get goingBack() {
    return this.#goingBack;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    this.#setOpen(true);
    this.#pastBar.draw();
    this.#makeRoom(this.#bar.offsetTop + this.#bar.offsetHeight);
    this.#load();
    this.#tabs[0].focus();
  }

  #load() {
    for (const name of this.#missing) this.#parts[name].load().then((done) => done && this.#missing.delete(name));
  }

  close() {
    this.#travel.back();
    const hadFocus = this.#element.contains(document.activeElement) || this.#bar.contains(document.activeElement);
    this.#setOpen(false);
    this.#makeRoom(0);
    if (hadFocus || document.activeElement === document.body) this.#button.focus();
  }

  #makeRoom(shift) {
    this.#canvas.camera.panBy(0, shift - this.#shift);
    this.#shift = shift;
  }

  /** One step out: from the past to now, from now out of the panel. */
  leave(event) {
    event?.preventDefault();
    if (this.#travel.isPast) this.#travel.back();
    else this.close();
  }

  /** Look at the tree as it was after a change. */
  lookAt(seq) {
    if (!this.isOpen) this.open();
    this.#travel.look({ seq });
  }

  #setOpen(isOpen) {
    this.#element.hidden = !isOpen;
    this.#bar.hidden = !isOpen;
    this.#button.setAttribute("aria-expanded", String(isOpen));
    document.body.classList.toggle("history-open", isOpen);
    if (isOpen) document.body.classList.remove("details-open");
  }

  #restore() {
    this.#goingBack.restore(this.#pastBar.when);
  }

  #drawRights() {
    const { isEditor } = this.#desk;
    this.#note.hidden = isEditor;
    this.#tabs[2].hidden = !isEditor;
    if (!isEditor && this.#tabs[2].getAttribute("aria-selected") === "true") this.#choose(0);
  }

  #made(labels) {
    const names = Object.keys(labels);
    const tabs = names.map((name, index) =>
      made(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${name}`,
          "aria-controls": `part-${name}`,
          onclick: () => this.#choose(index),
        },
        labels[name],
      ),
    );
    const list = made("div", { className: "tabs", role: "tablist", "aria-label": "History" }, ...tabs);
    list.onkeydown = (event) => this.#step(event);
    const parts = names.map((name) =>
      made(
        "div",
        { role: "tabpanel", id: `part-${name}`, "aria-labelledby": `tab-${name}`, tabIndex: -1 },
        this.#parts[name].element,
      ),
    );
    const close = iconButton("close", "Close the history", () => this.close());
    this.#element.replaceChildren(
      made("div", { className: "panel-head" }, made("h2", {}, "History"), close),
      list,
      this.#note,
      ...parts,
    );
    this.#tabs = tabs;
    this.#choose(0);
    return tabs;
  }

  #choose(index) {
    Object.values(this.#parts).forEach((part, at) => {
      const tab = this.#tabs[at];
      tab.setAttribute("aria-selected", String(at === index));
      tab.tabIndex = at === index ? 0 : -1;
      part.element.parentElement.hidden = at !== index;
      if (at === index) part.draw();
    });
  }

  #step(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const shown = this.#tabs.filter((tab) => !tab.hidden);
    const next = shown[(shown.indexOf(document.activeElement) + by + shown.length) % shown.length];
    this.#choose(this.#tabs.indexOf(next));
    next.focus();
  }
}
