/** Reads the end of a log, however long the log is: forges give whole logs, often from a storage at another address. */
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { stripVTControlCharacters } from "node:util";
import { addressRule, checkedLookup, literalRefusal } from "#shared/node/checked-lookup.js";
import { MAX_LOG_BYTES } from "../forge-discussion.js";
import type { FetchRules } from "./forge-fetch.js";
import { errorOfAnswer, ForgeError } from "../forge.js";

const TIMEOUT_MS = 60_000;
/** Maximum bytes of a log that are read to find its end. */
const MAX_READ_BYTES = 256 * 1024 * 1024;
/** The kept end, before times and colors are removed. */
const TAIL_BYTES = 8 * MAX_LOG_BYTES;
const MAX_REDIRECTS = 3;

/**
 * Returns the cleaned end of the log at an address; null if there is none. Headers go to the forge's own origin alone.
 * @throws ForgeError
 */
export type ReadLog = (address: string, headers: Record<string, string>) => Promise<string | null>;

export function createLogReader(apiUrl: string, rules: FetchRules): ReadLog {
  const { origin } = new URL(apiUrl);
  const refusalOf = addressRule(rules.allowsPrivate);
  const lookup = checkedLookup(refusalOf, (text) => new ForgeError("unreachable", text));

  const send = (url: URL, headers: Record<string, string>, signal: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const begin = url.protocol === "https:" ? requestHttps : requestHttp;
      const ca = rules.ca && url.protocol === "https:" ? { ca: rules.ca } : {};
      const own = url.origin === origin ? headers : {};
      const sent = { "user-agent": "omoi", ...own };
      const outgoing = begin(url, { headers: sent, lookup, signal, agent: false, ...ca }, resolve);
      outgoing.once("error", reject);
      outgoing.end();
    });

  return async (address, headers) => {
    let url = new URL(address);
    const late = AbortSignal.timeout(TIMEOUT_MS);
    try {
      for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
        check(url, rules, refusalOf);
        const response = await send(url, headers, late);
        const { statusCode: status = 0, headers: answered } = response;
        if (answered.location !== undefined && status >= 300 && status < 400) {
          response.destroy();
          url = new URL(answered.location, url);
          continue;
        }
        if (status === 200) return cleanLog(await readTail(response));
        response.destroy();
        if (status === 404 || status === 410) return null;
        throw errorOfAnswer(status, answered as Record<string, string | undefined>, "");
      }
      throw new ForgeError("unreachable", "The log of the forge leads on and on.");
    } catch (error) {
      if (error instanceof ForgeError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      const reason = late.aborted ? "it took too long" : (code ?? message).slice(0, 200);
      throw new ForgeError("unreachable", `The log was not read: ${reason}.`);
    }
  };
}

function check(url: URL, rules: FetchRules, refusalOf: ReturnType<typeof addressRule>): void {
  if (url.protocol !== "https:" && !(rules.allowsPrivate && url.protocol === "http:")) {
    throw new ForgeError("unreachable", "The address of the log must begin with https://.");
  }
  const refused = literalRefusal(url, refusalOf);
  if (refused !== null) throw new ForgeError("unreachable", `The address of the log ${refused}.`);
}

async function readTail(response: IncomingMessage): Promise<Buffer> {
  let chunks: Buffer[] = [];
  let kept = 0;
  let read = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    kept += chunk.length;
    read += chunk.length;
    if (read > MAX_READ_BYTES) {
      response.destroy();
      throw new ForgeError("unreachable", "The log of the forge is too large.");
    }
    if (kept < 4 * TAIL_BYTES) continue;
    chunks = [Buffer.concat(chunks).subarray(-TAIL_BYTES)];
    kept = TAIL_BYTES;
  }
  return Buffer.concat(chunks).subarray(-TAIL_BYTES);
}

/** The time at the begin of a line, with the name and kind of the stream that GitLab adds. */
const TIME = /^\uFEFF?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z(?: \d\d[OE][+ ])? ?/;
const SECTION = /section_(?:start|end):\d+:[^\r\n]*(?:\r|$)/g;

/** Removes times, colors and overwritten progress from the end of a log, and keeps at most `MAX_LOG_BYTES`. */
export function cleanLog(tail: Buffer): string {
  const lines = stripVTControlCharacters(tail.toString("utf8"))
    .split("\n")
    .map((line) => {
      const shown = line.replace(TIME, "").replaceAll(SECTION, "").trimEnd();
      return shown.slice(shown.lastIndexOf("\r") + 1);
    });
  const text = lines.join("\n").trim();
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_LOG_BYTES) return text;
  const end = bytes.subarray(-MAX_LOG_BYTES).toString("utf8");
  // The first line is cut, perhaps within a character.
  return end.slice(end.indexOf("\n") + 1).trim();
}
