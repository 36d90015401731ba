// The address that pages import: `import { connect } from "/client.js"`.

export * from "./treesync.js";
