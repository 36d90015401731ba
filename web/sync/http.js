// The routes of /api/v1 with the token of this client.

/** What a route answered instead of what was asked: `code` as in PROTOCOL.md ER, `status` of HTTP, 0 without network. */
export class RequestFailed extends Error {
  name = "RequestFailed";

  constructor({ code = "unavailable", detail = "", status = 0, ...rest } = {}) {
    super(detail || code);
    Object.assign(this, rest, { code, why: detail, status });
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
  const content = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new RequestFailed({ ...content, status: answer.status });
  return content;
}
