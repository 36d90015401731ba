// Who opens which tree: a token from the address's fragment, which is never sent to a server, one kept in this tab, or a
// guest's of the demo (`?as=ada` names which guest).

import { viewInAddress } from "./address.js";
import { byId } from "./dom.js";

const wished = new URLSearchParams(location.search).get("as");

/** @returns {Promise<{ token: string | (() => Promise<string>), tree: number, node: string | null }>} */
export async function signIn() {
  const node = new URLSearchParams(location.hash.slice(1)).get("node");
  return { ...(await signedIn()), node };
}

async function signedIn() {
  const given = new URLSearchParams(location.hash.slice(1));
  const kept = given.get("token") ? null : sessionStorage.getItem("token");
  const number = Number(given.get("tree") ?? sessionStorage.getItem("tree") ?? 0);
  if (location.hash && !viewInAddress()) history.replaceState(null, "", location.pathname + location.search);
  const token = given.get("token") ?? (wished ? null : kept);
  if (token) return remembered(token, number || 1);
  const demo = await demoToken();
  if (demo) return { token: freshDemoToken(demo), tree: remember(number || demo.tree) };
  const guest = sessionStorage.getItem(guestKey());
  if (guest) return { token: freshDemoToken(JSON.parse(guest)), tree: remember(number || JSON.parse(guest).tree) }; // without network
  return asked(number);
}

function remembered(token, tree) {
  sessionStorage.setItem("token", token);
  return { token, tree: remember(tree) };
}

// Open this tree after the next reload too.
function remember(tree) {
  sessionStorage.setItem("tree", tree);
  return tree;
}

const guestKey = () => `guest:${wished ?? ""}`;

async function demoToken() {
  try {
    const answer = await fetch(`/demo/token${wished ? `?as=${encodeURIComponent(wished)}` : ""}`);
    if (!answer.ok) return null;
    const demo = await answer.json();
    sessionStorage.setItem(guestKey(), JSON.stringify(demo));
    return demo;
  } catch {
    return null;
  }
}

// The first one is at hand already; later sockets get a fresh one, or without network the last.
function freshDemoToken(first) {
  let next = first;
  return async () => {
    const demo = next ?? (await demoToken()) ?? JSON.parse(sessionStorage.getItem(guestKey()));
    next = null;
    return demo.token;
  };
}

function asked(number) {
  const dialog = byId("sign-in");
  if (number) byId("sign-in-tree").value = number;
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault(); // there is nothing behind it
    dialog.querySelector("form").onsubmit = () =>
      resolve(remembered(byId("token").value.trim(), Number(byId("sign-in-tree").value)));
  });
}
