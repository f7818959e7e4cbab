/**
 * The snapshot process: the server's event loop never reads agents' files, and their cost in memory
 * and time stays here. It ends with the server that started it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, type GitCommand } from "#shared/node/measurements.js";
import { takeSnapshot } from "./take-snapshot.js";
import type { Snapshot } from "./snapshot.js";
import { sendError, type FromProcess, type ToProcess } from "./snapshot-messages.js";

/** Pending snapshots. */
const underWay = new Map<number, AbortController>();
/** The git commands of the current snapshot, which the server records. */
const commandsOf = new AsyncLocalStorage<GitCommand[]>();
subscribe("gitCommand", (command) => commandsOf.getStore()?.push(command));

function say(message: FromProcess): void {
  if (process.connected) process.send?.(message);
}

async function take({ id, order }: Extract<ToProcess, { kind: "take" }>): Promise<void> {
  const controller = new AbortController();
  const commands: GitCommand[] = [];
  underWay.set(id, controller);
  try {
    const onChanges = (): void => say({ kind: "changes", id });
    const onTree = (found: Snapshot): void => say({ kind: "tree", id, found });
    const snapshot = await commandsOf.run(commands, () =>
      takeSnapshot({ ...order, signal: controller.signal, onChanges, onTree }),
    );
    say({ kind: "taken", id, commands, snapshot });
  } catch (error) {
    say({ kind: "failed", id, commands, error: sendError(error) });
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
// A terminal or systemd sends these to every process; this one must outlive the server.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
