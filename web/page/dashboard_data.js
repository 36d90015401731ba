// What the dashboard shows, asked of the server: a person's days, their trees, and how far those are.

const AT_ONCE = 4; // trees whose progress is asked for at the same time
const MOST_TREES = 12;
const DAY_MS = 86_400_000;
const WEEKLY_FROM = 120; // days: from there on a week is one point

/** Ranges to choose from, in days. */
export const RANGES = [7, 30, 90, 365];

/** The person's days: `{ totals, series }` as `GET users/{user}/metrics` has them. */
export function askMetrics(client, days, now = new Date()) {
  const date = (moment) => {
    const local = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
    return local.toISOString().slice(0, 10);
  };
  const asked = new URLSearchParams({
    from: date(new Date(now.getTime() - (days - 1) * DAY_MS)),
    to: date(now),
    bucket: days >= WEEKLY_FROM ? "week" : "day",
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
  });
  return client.request("GET", `/users/${encodeURIComponent(client.user)}/metrics?${asked}`);
}

/** The trees they own in numbers. */
export const askAnalytics = (client) => client.request("GET", `/users/${encodeURIComponent(client.user)}/analytics`);

/** The trees they may open, last changed first: the first of them. */
export async function askTrees(client) {
  const { trees } = await client.request("GET", `/trees?limit=${MOST_TREES}`);
  return trees;
}

/** How far each tree is; `told(tree, summary)` as soon as one is known. */
export async function askProgress(client, trees, told) {
  const waiting = [...trees];
  const next = async () => {
    for (let tree; (tree = waiting.shift());) {
      const found = await client.request("GET", `/trees/${tree.id}/progress`).catch(() => null); // it may be gone by now
      if (found) told(tree, found.summary);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

/** Milliseconds spent: as measured while looking, or from the first to the last act of each visit, whichever is more. */
export const spent = ({ time_spent_ms: seen, active_ms: active }) => Math.max(seen, active);

/** “2 h 5 min”, “12 min”, “40 s”. */
export function timeInWords(ms) {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return ms > 0 ? `${Math.max(1, Math.round(ms / 1000))} s` : "0 min";
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
