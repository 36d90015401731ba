// Runs the test module that the address names (`modules.html?name.test.js`) and leaves the results on `window`.

import { run } from "/tests/testing.js";

const violations = [];
addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective} forbids ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`);
});

window.outcome = (async () => {
  try {
    await import(`/tests/${location.search.slice(1)}`);
  } catch (error) {
    return { results: [], broken: `cannot be imported: ${error?.stack ?? error}`, violations };
  }
  return { results: await run(), broken: null, violations };
})();
