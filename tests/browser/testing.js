// What a JavaScript test needs: `test(name, run)`, and ways to say what must hold. Names are literal strings, so that
// test_modules.py can list them without running anything.

const WITHIN_MS = 10_000; // far more than a test takes, far less than the whole module may
const tests = [];

/** Register a test. `run` may be async; it fails by throwing. */
export function test(name, run) {
  tests.push({ name, run });
}

/** Run everything registered, in order; answers [{ name, error: null | text with its stack }]. */
export async function run() {
  const results = [];
  for (const { name, run } of tests) results.push({ name, error: await outcome(run) });
  return results;
}

async function outcome(run) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${WITHIN_MS} ms`)), WITHIN_MS);
  });
  try {
    await Promise.race([run(), late]);
    return null;
  } catch (error) {
    return String(error?.stack ?? error);
  } finally {
    clearTimeout(timer);
  }
}

export function assert(holds, why = "it does not hold") {
  if (!holds) throw new Error(why);
}

/** Deep equality of plain data, Maps and Sets; the order of keys does not matter. */
export function equal(actual, expected, why = "") {
  const [is, should] = [shown(actual), shown(expected)];
  if (is !== should) throw new Error(`${why}\n  is      ${is}\n  should  ${should}`);
}

/** Resolves to the error that `run` throws, or rejects with; fails where it does neither, or `like` does not match it. */
export async function throws(run, like = /(?:)/) {
  try {
    await run();
  } catch (error) {
    const text = `${error?.name} ${error?.code ?? ""} ${error?.message ?? error}`;
    if (!like.test(text)) throw new Error(`threw ${text}, which does not match ${like}`, { cause: error });
    return error;
  }
  throw new Error("it did not throw");
}

/** Resolves to what `check` returns once that is truthy; looks again every few milliseconds. */
export async function eventually(check, why = String(check)) {
  const end = performance.now() + WITHIN_MS / 2;
  while (performance.now() < end) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never came true: ${why}`);
}

/** What a JSON file holds, `/vectors/order_keys.json` for example. */
export async function json(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

function shown(value) {
  return JSON.stringify(value, (_, one) => {
    if (one === undefined) return "\u0000undefined";
    if (one instanceof Map) return { "\u0000Map": [...one] };
    if (one instanceof Set) return { "\u0000Set": [...one] };
    if (one && typeof one === "object" && !Array.isArray(one)) return Object.fromEntries(Object.entries(one).sort());
    return one;
  });
}
