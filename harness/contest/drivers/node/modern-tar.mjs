// Extracts with the package `modern-tar`.
import { pipeline } from "node:stream/promises";
import { unpackTar } from "modern-tar/fs";
import { pieces, serve } from "./protocol.mjs";

await serve({
  async extract(order) {
    await pipeline(pieces(order), unpackTar(order.dest));
  },
});
