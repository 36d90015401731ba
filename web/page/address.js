// What the address says behind `#`, beside a token: a tree and a node to open, or a view over the open tree. Links with
// them can be sent to somebody who is signed in.

const VIEWS = new Set(["dashboard"]);

/** The view that the address names; null: the tree itself. */
export function viewInAddress() {
  const name = location.hash.slice(1);
  return VIEWS.has(name) ? name : null;
}

/** Show a view, or null for the tree; the browser's back button undoes it. */
export function goToView(name) {
  if (name === viewInAddress()) return;
  history.pushState(null, "", `${location.pathname}${location.search}${name ? `#${name}` : ""}`);
  dispatchEvent(new Event("view"));
}

/** Be told, now and whenever another view is shown. @param {(name: string | null) => void} told */
export function onView(told) {
  const tell = () => told(viewInAddress());
  for (const name of ["view", "popstate"]) addEventListener(name, tell);
  addEventListener("hashchange", () =>
    new URLSearchParams(location.hash.slice(1)).has("tree") ? location.reload() : tell(),
  );
  tell();
}

/** Leave this tree for another, and there for a node. */
export function leaveFor(tree, node = null) {
  const asked = new URLSearchParams({ tree, ...(node && { node }) });
  history.pushState(null, "", `${location.pathname}${location.search}#${asked}`);
  location.reload(); // the simplest way to leave nothing of this tree behind
}
