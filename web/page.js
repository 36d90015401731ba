// The page: one tree as an outline whose titles can be edited in place, and who is here.

import { connect } from "/client.js";

const TYPING_MS = 150; // a title is sent when the keyboard rests this long
const SAYING = {
  connecting: "connecting…",
  offline: "offline: changes wait in this tab",
  refused: "the server does not speak with this page; reload it",
  "signed out": "the token is no longer good; reload with a fresh one",
};
const CLOSED = {
  not_found: "There is no such tree, or it is not yours.",
  forbidden: "An operator has closed this tree for you.",
  tree_deleted: "This tree was deleted.",
  replaced: "This tree is open in a newer tab of the same client.",
  "other history": "The server's history was restored to an earlier time. Copy what is unsaved, then reload.",
};

const element = (id) => document.getElementById(id);
const rows = new Map(); // node id -> { item, type, title, below, timer }
let client;
let tree;

addEventListener("pagehide", () => rows.forEach((row, id) => row.timer && save(id, row)));
start();

async function start() {
  const given = new URLSearchParams(location.hash.slice(1)); // a fragment is never sent to a server
  const number = Number(given.get("tree") ?? sessionStorage.getItem("tree") ?? 0);
  const token = given.get("token") ?? sessionStorage.getItem("token");
  if (token) {
    history.replaceState(null, "", location.pathname);
    return open(token, number || 1, token);
  }
  const demo = await fetch("/demo/token").then((answer) => (answer.ok ? answer.json() : null), () => null);
  if (demo) return open(freshDemoToken, number || demo.tree);
  askForToken();
}

async function freshDemoToken() {
  return (await (await fetch("/demo/token")).json()).token;
}

function askForToken() {
  const form = element("sign-in");
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    form.hidden = true;
    open(element("token").value.trim(), Number(element("tree").value), element("token").value.trim());
  };
}

async function open(token, number, kept) {
  if (kept) sessionStorage.setItem("token", kept);
  sessionStorage.setItem("tree", number);
  client = connect(location.origin, token);
  client.addEventListener("status", showStatus);
  try {
    tree = await client.open(number);
  } catch (error) {
    return say(CLOSED[error.code] ?? error.why);
  }
  tree.addEventListener("change", draw);
  tree.addEventListener("people", showPeople);
  tree.addEventListener("closed", (event) => say(CLOSED[event.detail] ?? event.detail));
  draw();
  showPeople();
}

function say(text) {
  element("message").textContent = text;
}

function showStatus() {
  if (client.status === "signed out") sessionStorage.removeItem("token");
  const text = SAYING[client.status] ?? (tree ? saying() : "opening…");
  if (element("connection").textContent !== text) element("connection").textContent = text;
}

// "saved" is said only of what has a durable answer.
function saying() {
  if (tree.role !== "editor" && tree.role !== "owner") return "you may read this tree";
  const typing = [...rows.values()].filter((row) => row.timer).length;
  return tree.unanswered + typing ? "saving…" : "saved";
}

function showPeople() {
  const people = [...tree.people.values()].sort((a, b) => a.name.localeCompare(b.name));
  element("people").replaceChildren(...people.map((one) => made("li", { textContent: one.name }, { kind: one.kind })));
  const editing = new Map(people.map((one) => [one.state.editing?.node, one.name]));
  for (const [id, row] of rows) row.item.dataset.editing = editing.get(id) ?? "";
}

function draw() {
  const { details } = tree.view();
  element("tree-name").textContent = document.title = details.name || "treesync";
  const below = tree.view().outline();
  for (const [id, row] of rows) if (!tree.view().nodes.has(id)) forget(id, row);
  place(element("outline"), below.get(null) ?? [], below);
  showStatus();
}

function forget(id, row) {
  clearTimeout(row.timer);
  row.item.remove();
  rows.delete(id);
}

// Rows are kept and moved, never made anew: whoever is typing keeps focus and caret.
function place(list, nodes, below) {
  nodes.forEach((node, index) => {
    const row = rows.get(node.id) ?? newRow(node.id);
    if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] ?? null);
    fill(row, node);
    place(row.below, below.get(node.id) ?? [], below);
    row.below.hidden = !row.below.children.length;
  });
}

function newRow(id) {
  const type = made("span", { className: "type" });
  const title = made("input", { className: "title", maxLength: 500, spellcheck: true });
  const list = made("ul", {});
  list.setAttribute("role", "group");
  const item = made("li", {});
  item.setAttribute("role", "treeitem");
  item.append(type, title, list);
  const row = { item, type, title, below: list, timer: null };
  title.oninput = () => {
    clearTimeout(row.timer);
    row.timer = setTimeout(() => save(id, row), TYPING_MS);
    showStatus();
  };
  title.onfocus = () => tree.present({ editing: { node: id, path: "title" } });
  title.onblur = () => {
    if (row.timer) save(id, row);
    tree.present({});
    fill(row, tree.view().nodes.get(id));
  };
  title.onkeydown = (event) => {
    if (event.key === "Enter") title.blur();
  };
  rows.set(id, row);
  return row;
}

function fill(row, node) {
  if (!node) return;
  row.item.dataset.type = node.type;
  row.type.textContent = node.type;
  row.title.readOnly = tree.role !== "editor" && tree.role !== "owner";
  row.title.setAttribute("aria-label", `Title of the ${node.type} ${node.title}`);
  if (!row.timer && row.title.value !== node.title) row.title.value = node.title;
}

async function save(id, row) {
  clearTimeout(row.timer);
  row.timer = null;
  const title = row.title.value;
  showStatus();
  if (!title || title === tree.view().nodes.get(id)?.title) return;
  const result = await tree.update(id, { title });
  if (result.status === "rejected") say(`“${title}” was not saved: ${result.why}`);
  if (result.overwrote?.title) say(`You replaced “${result.overwrote.title.value}”, written by ${result.overwrote.title.by}.`);
}

function made(tag, properties, data = {}) {
  const one = Object.assign(document.createElement(tag), properties);
  Object.assign(one.dataset, data);
  return one;
}
