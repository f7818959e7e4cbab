/**
 * The wire format of a push over smart HTTP (gitprotocol-pack(5), gitprotocol-http(5)):
 * advertisement, request and report. Makes no decisions and changes nothing.
 */
import { isOid } from "../objects/oid.js";
import {
  FLUSH,
  type PacketLimits,
  pktLine,
  PktLineError,
  PktLineReader,
  sideBand,
} from "./pkt-line.js";
import { ZERO_OID } from "../process/run.js";

/** Content types of a push. */
export const PUSH_ADVERTISEMENT_TYPE = "application/x-git-receive-pack-advertisement";
export const PUSH_REQUEST_TYPE = "application/x-git-receive-pack-request";
export const PUSH_RESULT_TYPE = "application/x-git-receive-pack-result";

/** One reference update requested by a client; null means "does not exist". */
export interface PushCommand {
  /** The name as sent by the client, in latin1 bytes; it may be invalid. */
  ref: string;
  from: string | null;
  to: string | null;
}

/** The request of a client, before its pack. */
export interface PushRequest {
  /** At most `MAX_COMMANDS`. Empty if the client only asks whether it may push. */
  commands: PushCommand[];
  /** The number of commands in the request. */
  commandCount: number;
  /** All or nothing. */
  atomic: boolean;
  /** Whether and how the client receives a report. */
  report: boolean;
  sideBand: boolean;
  /** The pack as it arrives; empty if there are only deletions. */
  pack: AsyncGenerator<Buffer>;
}

/** The result of a push: why the pack was rejected, or the result for each reference. */
export interface PushReport {
  /** Null if the pack was accepted. */
  unpack: string | null;
  refs: readonly { ref: string; refusal: string | null }[];
}

const CAPABILITIES = "report-status delete-refs side-band-64k quiet atomic ofs-delta";

/**
 * Encodes the reply to `GET …/info/refs?service=git-receive-pack`: the references open for pushing.
 * With `thin`, a client may send deltas against objects of the repository.
 */
export function advertisePush(
  refs: readonly { ref: string; sha: string }[],
  { thin }: { thin: boolean },
): Buffer {
  const capabilities = `${CAPABILITIES}${thin ? "" : " no-thin"} object-format=sha1 agent=omoi`;
  const advertised = refs.length > 0 ? refs : [{ ref: "capabilities^{}", sha: ZERO_OID }];
  const lines = advertised.map(({ ref, sha }, index) =>
    pktLine(Buffer.from(`${sha} ${ref}${index === 0 ? `\0${capabilities}` : ""}\n`)),
  );
  return Buffer.concat([pktLine("# service=git-receive-pack\n"), FLUSH, ...lines, FLUSH]);
}

/** Maximum references per push. Further commands are read, but not kept. */
export const MAX_COMMANDS = 1000;

export const COMMAND_LIMITS = {
  /** Two ids, a name, and the capabilities, of which git sends about 200 bytes. */
  packet: 1024,
  /** Commands of `MAX_COMMANDS` refs, and lines of 53 bytes for 50,000 tips of a shallow clone. */
  all: 4 * 1024 * 1024,
} as const satisfies PacketLimits;

/**
 * Reads a push request up to its pack.
 * @throws PktLineError if it is malformed
 * @throws RequestLimitError beyond `COMMAND_LIMITS`
 */
export async function readPushRequest(body: AsyncIterable<Buffer>): Promise<PushRequest> {
  const reader = new PktLineReader(body, COMMAND_LIMITS);
  const commands: PushCommand[] = [];
  let commandCount = 0;
  let capabilities: string[] = [];
  for (;;) {
    const line = await reader.next();
    if (line === null) break;
    // latin1 keeps every byte of a name, so that the report repeats it exactly.
    const [text = "", words] = line.toString("latin1").replace(/\n$/, "").split("\0");
    if (words !== undefined) capabilities = words.split(" ").filter(Boolean);
    // A shallow clone states where its history ends; the repository's does not end there.
    if (/^shallow [0-9a-f]{40}$/.test(text)) continue;
    const command = commandOf(text);
    commandCount += 1;
    if (commandCount <= MAX_COMMANDS) commands.push(command);
  }
  return {
    commands,
    commandCount,
    atomic: capabilities.includes("atomic"),
    report: capabilities.includes("report-status"),
    sideBand: capabilities.includes("side-band-64k"),
    pack: reader.rest(),
  };
}

function commandOf(text: string): PushCommand {
  const from = text.slice(0, 40);
  const to = text.slice(41, 81);
  const ref = text.slice(82);
  const isCommand = isOid(from) && isOid(to) && text[40] === " " && text[81] === " ";
  if (!isCommand || ref === "") throw new PktLineError("no command");
  const orNull = (oid: string): string | null => (oid === ZERO_OID ? null : oid);
  return { ref, from: orNull(from), to: orNull(to) };
}

/** Encodes the report of a push as the client requested it. */
export function pushReport(
  request: Pick<PushRequest, "report" | "sideBand">,
  { unpack, refs }: PushReport,
): Buffer {
  if (!request.report) return request.sideBand ? FLUSH : Buffer.alloc(0);
  const lines = refs.map(({ ref, refusal }) =>
    pktLine(
      refusal === null
        ? `ok ${ref}\n`
        : Buffer.concat([Buffer.from(`ng ${ref} `, "latin1"), Buffer.from(oneLine(refusal))]),
    ),
  );
  const report = Buffer.concat([
    pktLine(Buffer.from(`unpack ${unpack === null ? "ok\n" : oneLine(unpack)}`)),
    ...lines,
    FLUSH,
  ]);
  return request.sideBand ? Buffer.concat([sideBand(1, report), FLUSH]) : report;
}

/** An empty packet that keeps a connection open; only for clients with side bands. */
export const KEEP_ALIVE = pktLine("\u0001");

function oneLine(text: string): string {
  return `${text.replaceAll(/[\u0000-\u001f\u007f]+/g, " ").slice(0, 1000)}\n`;
}
