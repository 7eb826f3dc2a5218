// Extracts with the package `tar-fs`, which parses with `tar-stream`.
import { pipeline } from "node:stream/promises";
import tar from "tar-fs";
import { pieces, serve } from "./protocol.mjs";

await serve({
  async extract(order) {
    await pipeline(pieces(order), tar.extract(order.dest));
  },
});
