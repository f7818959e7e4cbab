/** Transcripts of sessions, and `omoi session attach`: a conversation at the terminal. */
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import type { PermissionRequest, Session, SessionEvent } from "#shared/api/work/sessions.js";
import { urlOf } from "#shared/contract/call.js";
import { connect, type Connection } from "../connection/connect.js";
import { eventsOf } from "../connection/event-stream.js";
import { valueOf } from "../connection/names.js";
import { describedCall } from "../contract/calls.js";
import { FailedError } from "../output/failures.js";
import { whenInterrupted } from "../output/interrupt.js";
import { note, writeLine } from "../output/print.js";
import { styled } from "../output/style.js";
import { plain } from "../output/values.js";
import { addCommon, type CommonOptions } from "./common-options.js";

export function addAttach(group: Command): void {
  addCommon(
    group
      .command("attach")
      .description("Read a session from its beginning, follow it, and send prompts and answers")
      .argument("<SESSION>", "the id of a session, or the name of an agent: its newest one"),
  )
    .addHelpText(
      "after",
      `
Each line of the standard input is a prompt. While the program waits for a permission, the line is the answer:
the number of an option. Ctrl+D leaves the session as it is. From a pipe, each line waits for the end of the
turn before it, and the command ends after the last turn.

Examples:
  omoi session attach worker-1
  echo 'Now write the tests' | omoi session attach worker-1`,
    )
    .action(attach);
}

async function attach(name: string, options: CommonOptions): Promise<void> {
  const connection = connect(options);
  const session_id = await valueOf(connection, "session_id", name);
  leaveOnInterrupt(session_id);
  const seen = { events: 0 };
  const following = follow(connection, session_id, options, seen);
  await Promise.race([following, sendLines(connection, session_id, seen, following)]);
}

function leaveOnInterrupt(session_id: string): void {
  whenInterrupted(
    `The session continues. Cancel its turn with: omoi session cancel ${session_id}\nClose it with: omoi session close ${session_id}`,
  );
}

/** Prints the events of a session until it ends. @throws FailedError if it failed */
async function follow(
  connection: Connection,
  session_id: string,
  options: CommonOptions,
  seen: { events: number },
): Promise<void> {
  const path = urlOf(describedCall("agentSessions.events"), { params: { session_id } });
  for await (const { name, data } of eventsOf(connection, path)) {
    seen.events += 1;
    if (name === "end") {
      const { status, detail } = data as Session;
      if (status === "failed") throw new FailedError(`The session failed. ${detail ?? ""}`.trim());
      return note("The session is closed.");
    }
    if (name === "update") printEvent(data as SessionEvent, options, textOfChoice);
  }
}

const POLL_MS = 500;
/** Time for the connection and the first event, if the transcript has any. */
const FIRST_MS = 10_000;
/** Time without an event after which the end of a turn has been printed. */
const QUIET_MS = 1000;

const isBusy = ({ status, permissions }: Session): boolean =>
  permissions.length === 0 && !["idle", "closed", "failed"].includes(status);

/** Sends the lines of the standard input. */
async function sendLines(
  { api }: Connection,
  session_id: string,
  seen: { events: number },
  following: Promise<void>,
): Promise<void> {
  const params = { session_id };
  const isPiped = !process.stdin.isTTY;
  /** Whether the program has received the line before. */
  let isReceived = (_session: Session): boolean => true;
  /** From a pipe, after the turn: no one watches for its end. */
  const current = async (): Promise<Session> => {
    for (;;) {
      const { data } = await api.agentSessions.get({ params });
      if (!isPiped || (isReceived(data) && !isBusy(data))) return data;
      await pause(POLL_MS);
    }
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const text = line.trim();
    if (text === "") continue;
    const { permissions, updated_at: before } = await current();
    const [request] = permissions;
    if (request === undefined) {
      await api.agentSessions.prompt({ params, body: { text } });
      isReceived = ({ updated_at }) => updated_at !== before;
      continue;
    }
    const option_id = optionOf(request, text);
    if (option_id === null) {
      const message = `Answer with a number from 1 to ${request.options.length}.`;
      if (isPiped) throw new FailedError(message);
      note(message);
      continue;
    }
    const { request_id } = request;
    await api.agentSessions.answer({ params: { session_id, request_id }, body: { option_id } });
    isReceived = (session) => session.permissions.every((one) => one.request_id !== request_id);
  }
  if (!isPiped) return note("The session continues.");
  const { permissions, status } = await current();
  if (status === "closed" || status === "failed") return following;
  const end = Date.now() + FIRST_MS;
  for (let before = -1; before !== seen.events; await pause(QUIET_MS)) {
    before = seen.events === 0 && Date.now() < end ? -1 : seen.events;
  }
  if (permissions.length > 0) throw new FailedError("The program waits for a permission.");
}

/** The option that a line names: its number, id or name. */
function optionOf({ options }: PermissionRequest, text: string): string | null {
  const found =
    options[Number(text) - 1] ??
    options.find(({ option_id, name }) => option_id === text || name === text);
  return found?.option_id ?? null;
}

/** How to answer a request, in the transcript. */
type Ask = (request: PermissionRequest) => string;

const textOfChoice: Ask = ({ options }) =>
  options.map(({ name }, at) => `\n  ${at + 1}  ${plain(name)}`).join("");

const textOfCommand: Ask = ({ request_id, options }) =>
  ` (omoi session answer … ${request_id} ${options.map(({ option_id }) => plain(option_id)).join("|")})`;

function printEvent(event: SessionEvent, { json }: CommonOptions, ask: Ask): void {
  if (json === true) return writeLine(JSON.stringify(event));
  const text = textOfEvent(event, ask);
  if (text !== null) process.stdout.write(text);
}

interface ShowOptions extends CommonOptions {
  follow?: boolean;
  /** What Ctrl+C says instead of how to end the session. */
  whenLeft?: string;
  /** Whether an event is the last one to show. */
  isLast?: (event: SessionEvent) => Promise<boolean>;
}

/** Shows a transcript as text. */
export async function showSession(
  connection: Connection,
  name: string,
  options: ShowOptions,
): Promise<void> {
  const session_id = await valueOf(connection, "session_id", name);
  const path = urlOf(describedCall("agentSessions.events"), { params: { session_id } });
  const { data: session } = await connection.api.agentSessions.get({ params: { session_id } });
  const { whenLeft } = options;
  if (whenLeft !== undefined) whenInterrupted(whenLeft);
  else if (options.follow === true) leaveOnInterrupt(session_id);
  const isOpen = !["closed", "failed"].includes(session.status);
  const quiet = options.follow === true ? null : 1000;
  for await (const event of untilQuiet(eventsOf(connection, path), isOpen ? quiet : null)) {
    if (event.name === "end") return;
    if (event.name !== "update") continue;
    const update = event.data as SessionEvent;
    printEvent(update, options, textOfCommand);
    if ((await options.isLast?.(update)) === true) break;
  }
  writeLine("");
}

/** Ends a stream after so long without an item; null for never. */
async function* untilQuiet<Item>(
  items: AsyncGenerator<Item>,
  milliseconds: number | null,
): AsyncGenerator<Item> {
  for (let isFirst = true; ; isFirst = false) {
    const next = items.next();
    // The first one comes after the connection, if the transcript is not empty.
    const timeoutMs = isFirst ? FIRST_MS : (milliseconds ?? 0);
    const quiet =
      milliseconds === null
        ? next
        : Promise.race([
            next,
            new Promise<null>((resolve) => setTimeout(resolve, timeoutMs, null).unref()),
          ]);
    const found = await quiet;
    if (found === null) return;
    if (found.done === true) return;
    yield found.value;
  }
}

function textOfEvent(event: SessionEvent, ask: Ask): string | null {
  switch (event.type) {
    case "prompt":
      return `\n${styled("bold", `${plain(event.by?.name ?? "Prompt")}:`)} ${plain(event.text, "field")}\n\n`;
    case "message":
      return plain(event.text, "field");
    case "thought":
      return styled("dim", plain(event.text, "field"));
    case "tool_call":
      return event.title === undefined ? null : `\n${styled("cyan", `> ${plain(event.title)}`)}\n`;
    case "permission_request":
      return `\n${styled("yellow", `? ${plain(event.title)}`)}${ask(event)}\n`;
    case "turn_end":
      return "\n";
    case "status":
      return event.detail === null ? null : `\n${plain(event.detail)}\n`;
    default:
      return null;
  }
}
