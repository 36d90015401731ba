// The bar at the bottom: what can be done to the selected card, and how the canvas is looked at. It is what fingers use.

import { byId, say } from "./dom.js";

export class Toolbar {
  #desk;
  #canvas;

  /** @param {import("./commands.js").Commands} commands */
  constructor(desk, canvas, commands) {
    this.#desk = desk;
    this.#canvas = canvas;
    const actions = {
      "add-child": () => commands.addChild(),
      "add-sibling": () => commands.addSibling(),
      rename: () => commands.rename(),
      fold: () => commands.fold(),
      connect: () => commands.connect(),
      remove: () => commands.remove(),
      details: () => commands.toggleDetails(),
      tidy: () => commands.tidyUp(),
      "zoom-out": () => commands.zoom(0.8),
      "zoom-in": () => commands.zoom(1.25),
      "zoom-level": () => commands.zoomToOne(),
      fit: () => commands.fit(),
      undo: () => commands.undo(),
      redo: () => commands.redo(),
      find: () => commands.find(),
      help: () => byId("keys").showModal(),
    };
    for (const [id, action] of Object.entries(actions)) byId(id === "find" ? "show-find" : id).onclick = action;
    // the card keeps the focus, and with it its keys
    byId("toolbar").onmousedown = (event) => event.preventDefault();
    for (const name of ["selection", "scene", "status"]) desk.addEventListener(name, () => this.draw());
    canvas.addEventListener("look", () => this.#drawZoom());
    this.draw();
  }

  draw() {
    const { selected, mayEdit, view, past } = this.#desk;
    for (const id of ["add-sibling", "rename", "connect", "remove"]) byId(id).disabled = !selected || !mayEdit;
    byId("add-child").disabled = !mayEdit;
    byId("tidy").disabled = !mayEdit;
    byId("fold").disabled = !selected || !(mayEdit || past) || !view.children(selected.id).length;
    byId("fold").setAttribute("aria-label", selected?.is_collapsed ? "Expand" : "Collapse");
    byId("empty").hidden = view.nodes.size > 0;
  }

  #drawZoom() {
    say(byId("zoom-level"), `${Math.round(this.#canvas.camera.scale * 100)}%`);
  }
}
