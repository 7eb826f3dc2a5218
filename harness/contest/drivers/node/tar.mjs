// Extracts with the package `tar` (node-tar): from the file at once (`sync`), or from a stream.
import { pipeline } from "node:stream/promises";
import * as tar from "tar";
import { pieces, serve } from "./protocol.mjs";

const sync = process.argv[2] === "sync";

await serve({
  async extract(order, warn) {
    const options = { cwd: order.dest, onwarn: (code, message) => warn(`${code}: ${message}`) };
    if (sync) tar.extract({ ...options, file: order.archive, sync: true });
    else await pipeline(pieces(order), tar.extract(options));
  },
  async list(order) {
    const names = [];
    tar.list({ file: order.archive, sync: true, onReadEntry: (entry) => names.push(entry.path) });
    return names;
  },
});
