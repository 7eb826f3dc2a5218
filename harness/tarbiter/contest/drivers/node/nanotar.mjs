// Parses with the package `nanotar` and writes what it gives, as its users do: it has no extraction of its own.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { parseTar } from "nanotar";
import { detail, serve } from "./protocol.mjs";

await serve({
  async extract(order, warn) {
    for (const file of parseTar(order.data)) {
      const path = resolve(order.dest, file.name);
      if (path !== order.dest && !path.startsWith(order.dest + sep)) throw new Error(`${file.name} leaves the destination`);
      mkdirSync(file.type === "directory" ? path : dirname(path), { recursive: true });
      if (file.type === "file" || file.type === undefined) writeFileSync(path, file.data ?? new Uint8Array());
      else if (file.type !== "directory") warn(`${file.name}: no extraction of type ${file.type}`);
    }
  },
  async list(order) {
    return parseTar(order.data).map((file) => [file.name, { ...detail(file), ...file.attrs }]);
  },
});
