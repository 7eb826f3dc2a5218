// Extracts with the package `decompress`, or a fork with its interface.
import decompress from "decompress";
import { serve } from "./protocol.mjs";

await serve({
  async extract(order) {
    await decompress(order.archive, order.dest);
  },
});
