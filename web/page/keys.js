// Every key of the canvas: what it does, and how the help says it.

import { viewInAddress } from "./address.js";
import { byId, isTyping, made } from "./dom.js";
import { isPopoverOpen } from "./popover.js";

const STEPS = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right" };

/** Groups of lines for the help; keys are shown one by one. */
export const HELP = [
  [
    "Move",
    [
      [["↑", "↓", "←", "→"], "Select the next card"],
      [["Home"], "Select the root"],
      [["/"], "Find in this tree and all others", ["Ctrl", "K"]],
      [["A"], "Activity: who did what"],
      [["Esc"], "Select nothing"],
    ],
  ],
  [
    "Edit",
    [
      [["Enter"], "Type the title"],
      [["Tab"], "Add a card below"],
      [["Shift", "Enter"], "Add a card beside"],
      [["Delete"], "Move to the trash"],
      [["C"], "Collapse or expand"],
      [["L"], "Connect to another card"],
      [["M"], "Move below another card"],
      [["D"], "Details"],
    ],
  ],
  [
    "Arrange",
    [
      [["Ctrl", "←"], "Before the sibling"],
      [["Ctrl", "→"], "After the sibling"],
      [["Ctrl", "↑"], "Out, beside its parent"],
      [["Ctrl", "↓"], "In, below the sibling before"],
      [["T"], "Tidy up the whole tree"],
      [["Shift", "T"], "Tidy up below the card"],
    ],
  ],
  [
    "View",
    [
      [["+"], "Nearer"],
      [["−"], "Farther"],
      [["0"], "Life size"],
      [["1"], "Fit the tree"],
      [["Space"], "Hold and drag to pan"],
      [["Ctrl", "Z"], "Undo your last change"],
      [["Ctrl", "Shift", "Z"], "Redo"],
      [["H"], "History: the tree as it was"],
      [["?"], "These keys"],
    ],
  ],
];

/**
 * @param {import("./commands.js").Commands} commands
 * @param {import("./desk.js").Desk} desk
 * @param {{ history: import("./history_panel.js").HistoryPanel, feed: import("./feed.js").Feed }} panels
 */
export function listenToKeys(desk, commands, { history, feed }) {
  const plain = {
    Enter: () => commands.rename(),
    F2: () => commands.rename(),
    Tab: () => commands.addChild(),
    Delete: () => commands.remove(),
    Backspace: () => commands.remove(),
    Home: () => desk.select(desk.view.children(null)[0]?.id ?? null),
    Escape: () => {
      if (history.isOpen) history.leave();
      else if (document.body.classList.contains("details-open")) commands.closeDetails();
      else desk.select(null);
    },
    "+": () => commands.zoom(1.25),
    "=": () => commands.zoom(1.25),
    "-": () => commands.zoom(0.8),
    0: () => commands.zoomToOne(),
    1: () => commands.fit(),
    "/": () => commands.find(),
    "?": () => byId("keys").showModal(),
    a: () => feed.toggle(),
    c: () => commands.fold(),
    d: () => commands.toggleDetails(),
    h: () => history.toggle(),
    l: () => commands.connect(),
    m: () => commands.moveBelow(),
    t: () => commands.tidyUp(),
    T: () => commands.tidyBelow(),
  };
  // by the letter, whatever Caps Lock makes of it
  const withControl = {
    z: (event) => (event.shiftKey ? commands.redo() : commands.undo()),
    y: () => commands.redo(),
    k: () => commands.find(),
  };

  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]") || isPopoverOpen() || viewInAddress()) return;
    const control = event.ctrlKey || event.metaKey;
    if (isTyping(event.target)) return inField(event, control, desk, withControl);
    if (event.altKey) return;
    const onCanvas = event.target === document.body || !!event.target.closest?.("#canvas");
    const action = control ? controlled(event, onCanvas) : chosen(event, onCanvas);
    if (!action) return;
    event.preventDefault();
    action(event);
  });

  function controlled(event, onCanvas) {
    const step = STEPS[event.key];
    return step ? onCanvas && (() => commands.carry(step)) : withControl[event.key.toLowerCase()];
  }

  // A focused button keeps its keys; letters work everywhere.
  function chosen(event, onCanvas) {
    const step = STEPS[event.key];
    if (step) return onCanvas && (() => commands.step(step));
    if (event.shiftKey && event.key === "Enter") return onCanvas && (() => commands.addSibling());
    if (event.key === "Tab" && (event.shiftKey || !desk.selection || !desk.mayEdit || event.target === document.body))
      return null;
    const needsCanvas = ["Enter", "Tab", "Delete", "Backspace", "Home"].includes(event.key);
    return needsCanvas && !onCanvas ? null : plain[event.key];
  }
}

// Undo in a text field is undo of one's own edits: the browser's own would bring back what others have typed over.
function inField(event, control, desk, withControl) {
  if (event.key === "Escape" && event.target.closest("#panel")) return event.target.blur();
  const bound = event.target.closest("[data-path], .title-input");
  if (!control || !bound || !["z", "y"].includes(event.key.toLowerCase())) return;
  event.preventDefault();
  withControl[event.key.toLowerCase()](event);
}

/** The help's lists. */
export function keysHelp() {
  return HELP.map(([title, lines]) =>
    made(
      "section",
      {},
      made("h3", {}, title),
      made(
        "dl",
        {},
        ...lines.map(([keys, does, also]) =>
          made(
            "div",
            {},
            made("dt", {}, ...combination(keys), ...(also ? [" or ", ...combination(also)] : [])),
            made("dd", {}, does),
          ),
        ),
      ),
    ),
  );
}

const combination = (keys) => keys.map((key) => made("kbd", {}, key));
