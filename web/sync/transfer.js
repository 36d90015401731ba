// Whole files to and from the server, with the token of this client: what is no JSON, and tells how far it is.

import { RequestFailed } from "./http.js";

/** A file that a route gives: `{ content, name }`; the name is the server's (RFC 6266). Rejects with RequestFailed. */
export async function download(origin, token, path) {
  const asked = async (isFresh) =>
    fetch(`${origin}/api/v1${path}`, { headers: { Authorization: `Bearer ${await token.get(isFresh)}` } });
  let answer;
  try {
    answer = await asked(false);
    if (answer.status === 401 && token.isRenewable) answer = await asked(true);
    if (answer.ok) return { content: await answer.blob(), name: nameIn(answer.headers.get("Content-Disposition")) };
  } catch (error) {
    throw unreached(error);
  }
  throw refusal(answer.status, await answer.text(), answer.headers.get("Content-Type"));
}

/**
 * Send a file to a route; resolves to its answer, rejects with RequestFailed.
 * @param {(part: number) => void} progress told shares from 0 to 1
 * @param {AbortSignal} [signal]
 */
export async function upload(origin, token, path, file, progress, signal) {
  const known = async (isFresh) =>
    token.get(isFresh).catch((error) => {
      throw unreached(error);
    });
  const address = `${origin}/api/v1${path}`;
  try {
    return await send(address, await known(false), file, progress, signal);
  } catch (error) {
    if (error.status !== 401 || !token.isRenewable) throw error;
    return send(address, await known(true), file, progress, signal);
  }
}

// By XMLHttpRequest: `fetch` does not tell how far an upload is.
function send(address, token, file, progress, signal) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const request = new XMLHttpRequest();
  request.open("POST", address);
  request.setRequestHeader("Authorization", `Bearer ${token}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
  request.onload = () => {
    const { status, responseText } = request;
    const content = parsed(responseText);
    if (status >= 200 && status < 300 && content) resolve(content);
    else reject(refusal(status, responseText, request.getResponseHeader("Content-Type")));
  };
  request.onerror = () => reject(unreached(new Error("the network is away")));
  request.onabort = () => reject(new RequestFailed({ code: "aborted", detail: "given up" }));
  signal?.addEventListener("abort", () => request.abort(), { once: true });
  if (signal?.aborted) request.onabort();
  else request.send(file);
  return promise;
}

const unreached = (error) => new RequestFailed({ detail: String(error?.message ?? error) });

function refusal(status, text, type) {
  const isTheServers = type?.startsWith("application/problem+json"); // [HT5]; else it is a proxy's on the way
  const { code, detail = `HTTP ${status}` } = (isTheServers && parsed(text)) || {};
  return new RequestFailed({ code, detail, status });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy on the way answers in HTML
  }
}

function nameIn(disposition) {
  const own = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  try {
    return own ? decodeURIComponent(own) : null;
  } catch {
    return null;
  }
}
