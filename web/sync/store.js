// What outlives the page. (Not yet: everything is forgotten with it.)

import { newId } from "./editing.js";

export async function openStore() {
  return { clientId: newId(), load: async () => null, save: async () => {}, renew: async () => newId(), close() {} };
}

export function rememberIdentity() {}

export function rememberedIdentity() {
  return null;
}
