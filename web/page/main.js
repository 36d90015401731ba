// The page at `/`: signs in, opens the tree, and gives each part of the page what it needs.

import { connect } from "../treesync.js";
import { goToView, leaveFor } from "./address.js";
import { Attention } from "./attention.js";
import { Canvas } from "./canvas.js";
import { Commands } from "./commands.js";
import { ConflictInbox } from "./conflicts.js";
import { Dashboard } from "./dashboard.js";
import { Desk } from "./desk.js";
import { byId, icon } from "./dom.js";
import { Drag } from "./drag.js";
import { Edits } from "./edits.js";
import { FORMATS, exportTree } from "./export.js";
import { Feed } from "./feed.js";
import { Finder } from "./find.js";
import { listen } from "./gestures.js";
import { HistoryPanel } from "./history_panel.js";
import { Importer } from "./import.js";
import { keysHelp, listenToKeys } from "./keys.js";
import { attachMenu } from "./menu.js";
import { News } from "./news.js";
import { Panel } from "./panel.js";
import { People } from "./people.js";
import { Search } from "./search.js";
import { signIn } from "./sign_in.js";
import { StatusBar, closedInWords } from "./status.js";
import { wearTheme } from "./theme.js";
import { TitleEditor } from "./title_editor.js";
import { Toolbar } from "./toolbar.js";
import { Trash } from "./trash.js";
import { TreeProgress } from "./tree_progress.js";
import { Trees } from "./trees.js";
import { speak } from "./voice.js";

for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.dataset.icon));
for (const dialog of document.querySelectorAll("dialog:not(#sign-in)")) closeByClick(dialog);
byId("keys-list").replaceChildren(...keysHelp());
wearTheme(byId("theme"));
keepFiles();
start();

async function start() {
  const { token, tree: number, node } = await signIn();
  const client = connect(location.origin, token, { client: "page/1.0" });
  client.addEventListener("fault", (event) => sayUnkept(event.detail));
  try {
    const tree = await client.open(number);
    show(client, tree, node);
  } catch (error) {
    sessionStorage.removeItem("token"); // a reload asks again
    byId("opening-text").textContent = closedInWords(error);
  }
}

function show(client, tree, node) {
  const desk = new Desk(client, tree);
  const canvas = new Canvas(desk, {
    frame: byId("canvas"),
    world: byId("world"),
    cards: byId("cards"),
    links: byId("links"),
    trail: byId("trail"),
    connections: byId("connections"),
    nearConnections: byId("near-connections"),
  });
  const edits = new Edits(desk);
  const titles = new TitleEditor(desk, canvas, edits);
  const finder = new Finder(desk, byId("finder"), new Search(desk, leaveFor));
  const commands = new Commands(desk, canvas, edits, titles, finder);
  const inbox = new ConflictInbox(desk);
  const trash = new Trash(desk, edits);
  const people = new People(desk, canvas, byId("people"), byId("cursors"));
  listenOnCanvas(desk, canvas, edits, titles, people);
  const history = new HistoryPanel(desk, canvas, edits);
  listenToKeys(desk, commands, { history, feed: new Feed(desk) });
  speak(desk, { undo: () => commands.undo() });
  new News(desk, canvas);
  new Panel(desk, edits, commands, history, byId("panel"));
  new StatusBar(desk, { showConflicts: () => inbox.open() });
  new Toolbar(desk, canvas, commands);
  new TreeProgress(desk, desk.progress);
  // the whole is told anew where the tenant has other fields now
  desk.progress.addEventListener("change", ({ detail }) => detail.nodes === null && desk.templates.load());
  new Trees(desk, edits, leaveFor);
  new Dashboard(desk);
  new Attention(desk);
  offerMore(desk, new Importer(desk, leaveFor));
  canvas.frame.addEventListener("add-child", () => commands.addChild());
  byId("show-conflicts").onclick = () => inbox.open();
  byId("show-trash").onclick = () => trash.open();
  document.body.classList.remove("is-opening");
  canvas.lookAtStart();
  desk.present();
  canvas.redraw();
  if (node) desk.goTo(node);
}

function offerMore(desk, importer) {
  const written = FORMATS.map(({ format, label, about }) => {
    return { label, about, picture: "download", act: () => exportTree(desk, format) };
  });
  const groups = [
    { choices: [{ label: "Dashboard", picture: "chart", act: () => goToView("dashboard") }] },
    { choices: [{ label: "New tree from a file…", picture: "upload", act: () => importer.choose() }] },
    { title: "Export this tree", choices: written },
  ];
  attachMenu(byId("show-menu"), byId("menu"), groups, { width: 264 });
}

function listenOnCanvas(desk, canvas, edits, titles, people) {
  // assistive technology moves the focus by itself
  byId("cards").addEventListener("focusin", ({ target }) => {
    const id = target.classList.contains("card") && target.dataset.node;
    if (id && id !== desk.selection) desk.select(id, { focus: false });
  });
  const drag = new Drag(desk, canvas, edits, byId("drop-bar"));
  listen(canvas, {
    tap: (id) => desk.select(id, { show: false }),
    empty: () => desk.select(null),
    open: (id) => titles.open(id, { fresh: false }),
    fold: (id) => edits.fold(id),
    lift: (id) => !titles.isOpen && drag.lift(id),
    carry: (event, press) => drag.carry(event, press),
    drop: (event) => drag.drop(event),
    isSelected: (id) => id === desk.selection,
    point: (event) => people.point(event),
  });
}

// Said for as long as the page is open: what is typed here outlives neither the page nor the network.
function sayUnkept({ code, why }) {
  if (code !== "storage") return;
  byId("unkept").hidden = false;
  byId("unkept").textContent = `Changes are not kept in this browser while you are offline: ${why}.`;
}

// A click beside a dialog closes it, as Escape does.
function closeByClick(dialog) {
  dialog.addEventListener("click", ({ target, clientX: x, clientY: y }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    if (target === dialog && (x < left || x > right || y < top || y > bottom)) dialog.close();
  });
  for (const button of dialog.querySelectorAll(".close-dialog")) button.onclick = () => dialog.close();
}

// The page's own files are kept for a reload without network. Workers exist in secure contexts only.
// On the first visit the files came before the worker did, so it is told which they were.
async function keepFiles() {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ keep: performance.getEntriesByType("resource").map((one) => one.name) });
  } catch {
    // a browser that keeps no files still shows the page
  }
}
