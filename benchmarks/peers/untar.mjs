// Extract or list with node-tar and print the seconds that took: untar.mjs MODULES x|t ARCHIVE [DEST]
import { createRequire } from "node:module";
const [modules, how, file, cwd] = process.argv.slice(2);
const tar = createRequire(modules + "/")("tar");
const began = process.hrtime.bigint();
if (how === "x") tar.x({ file, cwd, sync: true });
else tar.t({ file, sync: true, onReadEntry: () => {} });
console.log(Number(process.hrtime.bigint() - began) / 1e9);
