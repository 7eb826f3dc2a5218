// Extracts with the package `tar` (node-tar): from the file at once (`sync`), or from a stream. Version 2 and newer.
import { pipeline } from "node:stream/promises";
import * as module from "tar";
import { detail, pieces, serve } from "./protocol.mjs";

const tar = module.extract || !module.default ? module : module.default;
const sync = process.argv[2] === "sync";
const mode = Object.fromEntries(process.argv.slice(3).map((option) => [option, true])); // strict, preservePaths
const former = tar.Extract !== undefined && tar.extract === undefined; // version 2: streams of the old kind

/** What version 2 has instead of a stream that `pipeline` takes. */
function formerly(order) {
  return new Promise((done, fail) => {
    pieces(order).on("error", fail).pipe(tar.Extract({ path: order.dest })).on("error", fail).on("close", done);
  });
}

await serve({
  async extract(order, warn) {
    if (former && sync) throw new Error("this version has no synchronous extraction");
    if (former) return formerly(order);
    // Version 4 gives the text first, later ones a code. The text does not name the member.
    const named = (data) => (data?.entry?.path === undefined ? "" : ` (${data.entry.path})`);
    const onwarn = (code, message, data) => warn(typeof message === "string" ? `${code}: ${message}${named(data)}` : code);
    const options = { cwd: order.dest, onwarn, ...mode };
    if (sync) tar.extract({ ...options, file: order.archive, sync: true });
    else await pipeline(pieces(order), tar.extract(options));
  },
  async list(order) {
    if (former) return undefined;
    const names = new Set();
    const row = (entry) => void names.add(entry);
    tar.list({ file: order.archive, sync: true, onentry: row, onReadEntry: row }); // its name until version 6, and since
    return [...names].map((entry) => [entry.path, detail(entry)]);
  },
});
