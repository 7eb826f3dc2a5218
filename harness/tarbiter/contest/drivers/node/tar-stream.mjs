// Parses with the package `tar-stream` and writes what it gives, as its users do: it has no extraction of its own.
import { createWriteStream, linkSync, mkdirSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { pipeline } from "node:stream/promises";
import tar from "tar-stream";
import { detail, pieces, serve } from "./protocol.mjs";

async function write(dest, header, body, warn) {
  const path = resolve(dest, header.name);
  if (path !== dest && !path.startsWith(dest + sep)) throw new Error(`${header.name} leaves the destination`);
  mkdirSync(header.type === "directory" ? path : dirname(path), { recursive: true });
  if (["file", "contiguous-file", "symlink", "link"].includes(header.type)) rmSync(path, { force: true });
  if (header.type === "file" || header.type === "contiguous-file") {
    await pipeline(body, createWriteStream(path, { mode: header.mode, flags: "wx" }));
    utimesSync(path, header.mtime, header.mtime);
  } else if (header.type === "symlink") symlinkSync(header.linkname, path);
  else if (header.type === "link") linkSync(resolve(dest, header.linkname), path);
  else if (header.type !== "directory") warn(`${header.name}: no extraction of type ${header.type}`);
}

/** Gives every entry to `each`, and ends as the stream does. */
function walk(order, each) {
  const extract = tar.extract();
  extract.on("entry", (header, body, next) => {
    let ended = false;
    body.on("end", () => (ended = true));
    const go = () => (ended ? next() : body.on("end", next).resume());
    Promise.resolve(each(header, body)).then(go).catch((error) => extract.destroy(error));
  });
  return new Promise((done, fail) => {
    extract.on("finish", done).on("error", fail).on("close", () => fail(new Error("closed before its end")));
    pieces(order).on("error", fail).pipe(extract);
  });
}

await serve({
  extract: (order, warn) => walk(order, (header, body) => write(order.dest, header, body, warn)),
  async list(order) {
    const names = [];
    await walk({ ...order, chunks: [], pause: false }, (header) => void names.push([header.name, detail(header)]));
    return names;
  },
});
