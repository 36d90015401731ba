// Queues that no tab holds any more: each is sent under its own client_id, then left empty.

/**
 * `start(clientId)` makes a client that writes that queue and no other; `told(tree, report)` hears what became of it.
 * Resolves once all have been sent, or cannot be sent now.
 */
export async function ferry(store, start, told) {
  for (const clientId of await store.orphans()) {
    const client = start(clientId);
    try {
      for (const number of await client.kept()) {
        const tree = await client.open(number);
        tree.addEventListener("report", ({ detail }) => told(number, detail));
        await emptied(tree);
      }
    } catch {
      // another tab has taken it over, or the tree is not ours to see any more: the queue stays as it is
    } finally {
      client.close();
    }
  }
}

function emptied(tree) {
  return new Promise((resolve) => {
    const look = () => {
      const { state } = tree.status;
      if (state !== "saving" && state !== "offline") resolve();
    };
    for (const name of ["status", "closed"]) tree.addEventListener(name, look);
    look();
  });
}
