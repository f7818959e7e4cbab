/**
 * The words of a push over git's smart HTTP (gitprotocol-pack(5), gitprotocol-http(5)): what is
 * offered, what is asked for, what is answered. Nothing here decides or changes anything.
 */
import { isOid } from "../store/bare-repository.js";
import { FLUSH, pktLine, PktLineError, PktLineReader, sideBand } from "./pkt-line.js";
import { ZERO_OID } from "../process/run.js";

/** The content types of a push. */
export const PUSH_ADVERTISEMENT_TYPE = "application/x-git-receive-pack-advertisement";
export const PUSH_REQUEST_TYPE = "application/x-git-receive-pack-request";
export const PUSH_RESULT_TYPE = "application/x-git-receive-pack-result";

/** One reference that a client wants moved: null stands for "does not exist". */
export interface PushCommand {
  /** As the client wrote it, its bytes in latin1: it may be no name at all. */
  ref: string;
  from: string | null;
  to: string | null;
}

/** What a client asks for, before its pack. */
export interface PushRequest {
  /** None where the client only asks whether it may push. */
  commands: PushCommand[];
  /** All or none. */
  atomic: boolean;
  /** How the client hears the answer. */
  report: boolean;
  sideBand: boolean;
  /** The pack that follows, as it comes; empty where nothing but deletions is asked for. */
  pack: AsyncGenerator<Buffer>;
}

/** What became of a push: why nothing could be taken, or what became of each reference. */
export interface PushReport {
  /** Null where the objects were fine. */
  unpack: string | null;
  refs: readonly { ref: string; refusal: string | null }[];
}

const CAPABILITIES = "report-status delete-refs side-band-64k quiet atomic ofs-delta";

/**
 * The answer to `GET …/info/refs?service=git-receive-pack`: the references that may be pushed to.
 * With `thin` a client may send changes alone, against objects that the store has.
 */
export function advertisePush(
  refs: readonly { ref: string; sha: string }[],
  { thin }: { thin: boolean },
): Buffer {
  const capabilities = `${CAPABILITIES}${thin ? "" : " no-thin"} object-format=sha1 agent=omoi`;
  const shown = refs.length > 0 ? refs : [{ ref: "capabilities^{}", sha: ZERO_OID }];
  const lines = shown.map(({ ref, sha }, index) =>
    pktLine(Buffer.from(`${sha} ${ref}${index === 0 ? `\0${capabilities}` : ""}\n`)),
  );
  return Buffer.concat([pktLine("# service=git-receive-pack\n"), FLUSH, ...lines, FLUSH]);
}

/** How many references one push may name. */
export const MAX_COMMANDS = 1000;
const MAX_LINES = MAX_COMMANDS * 4;

/**
 * Reads what a client asks for, up to its pack.
 * @throws PktLineError where that is no request of a push
 */
export async function readPushRequest(body: AsyncIterable<Buffer>): Promise<PushRequest> {
  const reader = new PktLineReader(body);
  const commands: PushCommand[] = [];
  let capabilities: string[] = [];
  for (let count = 0; ; count += 1) {
    const line = await reader.next();
    if (line === null) break;
    if (count === MAX_LINES) throw new PktLineError("too many lines");
    // latin1 keeps every byte of a name, so that it is answered as it was sent.
    const [text = "", words] = line.toString("latin1").replace(/\n$/, "").split("\0");
    if (words !== undefined) capabilities = words.split(" ").filter(Boolean);
    // A shallow clone says where its history ends; ours does not end there.
    if (/^shallow [0-9a-f]{40}$/.test(text)) continue;
    commands.push(commandOf(text));
  }
  return {
    commands,
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

/** The answer to a push, as the client asked to have it. */
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

/** Says nothing, to keep a connection open; only where the client takes side bands. */
export const KEEP_ALIVE = pktLine("\u0001");

function oneLine(text: string): string {
  return `${text.replaceAll(/[\u0000-\u001f\u007f]+/g, " ").slice(0, 1000)}\n`;
}
