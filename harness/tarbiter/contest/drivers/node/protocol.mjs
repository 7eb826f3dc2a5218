// The driver protocol: a line of JSON with an archive in, a line that tells how it went out.
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";

/** The archive as a stream, in pieces as the schedule says; with pauses, each comes a turn of the event loop later. */
export function pieces(order) {
  async function* cut() {
    const sizes = order.chunks.filter((size) => size > 0);
    if (sizes.length === 0) sizes.push(order.data.length || 1);
    for (let at = 0, turn = 0; at < order.data.length; at += sizes[turn++ % sizes.length]) {
      if (order.pause) await new Promise((resume) => setImmediate(resume));
      yield order.data.subarray(at, at + sizes[turn % sizes.length]);
    }
  }
  return Readable.from(cut(), { objectMode: false });
}

/** What an unhappy end left under way goes on without anybody: wait for it, it must not hit the next archive. */
async function settled() {
  const busy = () => process.getActiveResourcesInfo().some((kind) => kind.startsWith("FSReq"));
  for (let calm = 0; calm < 3; calm = busy() ? 0 : calm + 1) await new Promise((resume) => setImmediate(resume));
}

/** A whole line: a pipe that is full takes a piece of it, or nothing for now, and says so. */
function say(answer) {
  const line = Buffer.from(JSON.stringify(answer) + "\n");
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

/** What a listing says of a member beside its name: these fields of what the library gives, where it has them. */
export function detail(member) {
  const fields = ["type", "size", "mode", "mtime", "uid", "gid", "uname", "gname", "linkname", "linkpath"];
  return Object.fromEntries(fields.map((field) => [field, member[field]]));
}

/** Answer requests until standard input ends. Errors of the language, and those that nobody can catch, are crashes. */
export async function serve({ extract, list = async () => undefined }) {
  say({ tarbiter: 1 });
  let fail;
  process.on("uncaughtException", (error) => fail(Object.assign(new Error(`uncaught: ${error?.message}`), { uncaught: true })));
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    const answer = { id: order.id, status: "ok", warnings: [] };
    process.umask(order.umask);
    try {
      // A buffer of its own: a library that looks behind a view must not find another archive there.
      order.data = new Uint8Array(readFileSync(order.archive));
      const warn = (text) => answer.warnings.length < 20 && answer.warnings.push(String(text));
      await Promise.race([extract(order, warn), new Promise((_, reject) => (fail = reject))]);
    } catch (error) {
      const bug = [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);
      answer.status = error?.uncaught || (bug && error.code === undefined) ? "crashed" : "refused";
      answer.class = String(error?.code ?? error?.name);
      answer.error = String(error?.message ?? error);
    }
    await settled();
    if (order.list) {
      const rows = await Promise.race([list(order), new Promise((_, reject) => (fail = reject))]).catch(() => undefined);
      answer.names = rows?.map(([name]) => Buffer.from(name).toString("hex"));
      answer.details = rows?.map(([, detail]) => JSON.stringify(detail).replace(/[^ -~]/g, (one) => "\\u" + one.charCodeAt().toString(16).padStart(4, "0")));
    }
    say(answer);
  }
}
