// Extracts with the package `tar-fs`, which parses with `tar-stream`.
import { pipeline } from "node:stream/promises";
import { createRequire } from "node:module";
import tar from "tar-fs";
import { detail, pieces, serve } from "./protocol.mjs";

const parser = createRequire(import.meta.resolve("tar-fs"))("tar-stream"); // the one that it has
await serve({
  async extract(order) {
    await pipeline(pieces(order), tar.extract(order.dest));
  },
  async list(order) {
    const rows = [];
    const read = parser.extract();
    read.on("entry", (header, body, next) => {
      rows.push([header.name, detail(header)]);
      body.resume();
      next(); // as tar-fs itself does: a body that no type has never ends
    });
    await pipeline(pieces(order), read);
    return rows;
  },
});
