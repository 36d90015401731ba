// Keeps the page's own files, so that it can be reloaded without network. Network first: a new version is seen at once.
// Never kept: what the server says of trees and people.

const KEPT = "treesync-files-1";
const LIVE = /^\/(api|ws|demo|admin|metrics|health|livez|readyz|docs|openapi)/;

addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((kept) => kept.add("/")));
  skipWaiting();
});

addEventListener("activate", (event) => {
  const old = (names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name)));
  event.waitUntil(Promise.all([caches.keys().then(old), clients.claim()]));
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !isFile(new URL(request.url))) return;
  event.respondWith(fromNetwork(request));
});

// Files that the page had loaded before this worker was there.
addEventListener("message", (event) => {
  const files = new Set((event.data?.keep ?? []).filter((address) => isFile(new URL(address))));
  // all or none: half of the page would only stand there
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(files)));
});

const isFile = ({ origin, pathname }) => origin === location.origin && !LIVE.test(pathname);

async function fromNetwork(request) {
  const kept = await caches.open(KEPT);
  // the page is one file whatever stands behind the question mark
  const key = request.mode === "navigate" ? "/" : request;
  try {
    const answer = await fetch(request);
    if (answer.ok) await kept.put(key, answer.clone());
    return answer;
  } catch (error) {
    // a module is asked for with an Origin, a file that the page kept was not
    const copy = await kept.match(key, { ignoreVary: true });
    if (copy) return copy;
    throw error;
  }
}
