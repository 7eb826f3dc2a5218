// Extract or list with node-tar and print wall and CPU seconds: untar.mjs MODULES x|t ARCHIVE [DEST]
import { createRequire } from "node:module";
const [modules, how, file, cwd] = process.argv.slice(2);
const tar = createRequire(modules + "/")("tar");
const began = process.hrtime.bigint(), cpu = process.cpuUsage();
if (how === "x") tar.x({ file, cwd, sync: true });
else tar.t({ file, sync: true, onReadEntry: () => {} });
const wall = Number(process.hrtime.bigint() - began) / 1e9, used = process.cpuUsage(cpu);
console.log(wall, (used.user + used.system) / 1e6);
