// The routes of /api/v1 with the token of this client.

// What an answer without a code says: a proxy on the way answers in words of its own, mostly as HTML.
const CODES = { 401: "unauthorised", 403: "forbidden", 413: "too_large", 429: "rate" };

/** What a route answered instead of what was asked: `code` as in PROTOCOL.md ER, `status` of HTTP, 0 without network. */
export class RequestFailed extends Error {
  name = "RequestFailed";

  constructor({ code, detail = "", status = 0, ...rest } = {}) {
    const known = typeof code === "string" ? code : codeOf(status);
    super(detail || known);
    Object.assign(this, rest, { code: known, why: detail, status });
  }
}

/** One request; rejects with RequestFailed. A token that has just ended is replaced once. */
export async function request(origin, token, method, path, body) {
  const asked = async (isFresh) =>
    fetch(`${origin}/api/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${await token.get(isFresh)}`,
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  let answer;
  try {
    answer = await asked(false);
    if (answer.status === 401 && token.isRenewable) answer = await asked(true);
  } catch (error) {
    throw new RequestFailed({ detail: String(error?.message ?? error) });
  }
  const { status } = answer;
  const content = status === 204 ? null : await answer.json().catch(() => undefined);
  const isTheServers = answer.headers.get("Content-Type")?.startsWith("application/problem+json"); // [HT5]
  if (!answer.ok) throw new RequestFailed({ detail: `HTTP ${status}`, ...(isTheServers && content), status });
  if (content === undefined) throw new RequestFailed({ detail: "an answer that is not the server's", status });
  return content;
}

function codeOf(status) {
  const isRefusal = status >= 400 && status < 500 && status !== 408; // another try would meet the same
  return CODES[status] ?? (isRefusal ? "invalid" : "unavailable");
}
