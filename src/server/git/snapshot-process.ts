/**
 * The process that takes snapshots: the server's event loop never reads the files of agents, and what they
 * cost in memory and time ends here. It ends with the server that started it.
 */
import { takeSnapshot } from "./ingest.js";
import { sendError, type FromProcess, type ToProcess } from "./snapshot-messages.js";

/** The snapshots under way. */
const underWay = new Map<number, AbortController>();

function say(message: FromProcess): void {
  if (process.connected) process.send?.(message);
}

async function take({ id, order }: Extract<ToProcess, { kind: "take" }>): Promise<void> {
  const controller = new AbortController();
  underWay.set(id, controller);
  try {
    const onChanges = (): void => say({ kind: "changes", id });
    const snapshot = await takeSnapshot({ ...order, signal: controller.signal, onChanges });
    say({ kind: "taken", id, snapshot });
  } catch (error) {
    say({ kind: "failed", id, error: sendError(error) });
  } finally {
    underWay.delete(id);
  }
}

process.on("message", (message: ToProcess) => {
  if (message.kind === "take") void take(message);
  else if (message.kind === "abort") underWay.get(message.id)?.abort();
  else say({ kind: "pong" });
});
process.on("disconnect", () => process.exit(0));
// A terminal or systemd sends these to every process; this one is needed until the server has ended.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
