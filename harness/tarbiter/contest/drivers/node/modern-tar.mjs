// Extracts with the package `modern-tar`.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createTarDecoder } from "modern-tar";
import { unpackTar } from "modern-tar/fs";
import { detail, pieces, serve } from "./protocol.mjs";

await serve({
  async extract(order) {
    await pipeline(pieces(order), unpackTar(order.dest));
  },
  async list(order) {
    const rows = [];
    for await (const { header, body } of Readable.toWeb(pieces(order)).pipeThrough(createTarDecoder())) {
      rows.push([header.name, detail(header)]);
      await body.cancel();
    }
    return rows;
  },
});
