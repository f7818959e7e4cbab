/** Counts what an answer reports while it passes. */
import { createCollector } from "./collector.js";
import type { HeldBytes } from "./held-bytes.js";
import { isRecord, parseJson } from "./json.js";
import { readReport, type Report } from "./token-usage.js";

/** Longest event of a stream, or JSON answer, whose report is read; longer ones report nothing. */
const MAX_READ_BYTES = 16 * 1024 * 1024;

export interface UsageMeter {
  /** Takes the next bytes. Returns those that the client gets. */
  write(chunk: Buffer): Buffer;
  /** Returns the rest for the client, and what the answer reported; null if it reported nothing. */
  end(): { rest: Buffer; report: Report | null };
}

interface MeterInput {
  /** The answer's content type. */
  type: string;
  /**
   * Whether the event of a stream that only reports usage is kept from the client, which did not ask
   * for it.
   */
  dropsUsage: boolean;
  held: HeldBytes;
}

export function createUsageMeter(input: MeterInput): UsageMeter {
  if (/^text\/event-stream\b/i.test(input.type)) return streamMeter(input);
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(input.type);
  return isJson ? jsonMeter(input) : { write: (chunk) => chunk, end: () => nothing };
}

const none: Buffer = Buffer.alloc(0);
const nothing = { rest: none, report: null };

function jsonMeter({ held }: MeterInput): UsageMeter {
  const whole = createCollector(MAX_READ_BYTES, held);
  return {
    write: (chunk) => {
      whole.add(chunk);
      return chunk;
    },
    end: () => {
      const json = whole.take();
      const report = json && readReport(parseJson(json.toString()));
      whole.close();
      return { rest: none, report };
    },
  };
}

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Reads the lines of a stream. To drop an event, it is held until its end. */
function streamMeter({ dropsUsage, held }: MeterInput): UsageMeter {
  const line = createCollector(MAX_READ_BYTES, held);
  let report: Report | null = null;
  /** The lines of an event that the client may not get, and whether it does not. */
  let event: Buffer[] = [];
  let isDropped = false;

  /** @param text without its newline */
  const readLine = (text: Buffer): void => {
    if (text.indexOf("data:") !== 0) return;
    // Most events of a stream report nothing and repeat the model.
    const isRead = report === null || report.model === null || text.includes('"usage"');
    if (!isRead) return;
    const data = parseJson(text.toString("utf8", "data:".length));
    report = join(report, readReport(data));
    if (dropsUsage && isUsageOnly(data)) isDropped = true;
  };
  const isBlank = (text: Buffer): boolean =>
    text.length === 0 || (text.length === 1 && text[0] === CARRIAGE_RETURN);
  const endLine = (passed: Buffer[]): void => {
    const text = line.take();
    if (text !== null) readLine(text);
    if (!dropsUsage) return;
    // A line that is too long to be read passes without it: it is not the short event without choices.
    if (text !== null) event.push(Buffer.concat([text, Buffer.of(NEWLINE)]));
    if (text !== null && !isBlank(text)) return;
    if (!isDropped) passed.push(...event);
    event = [];
    isDropped = false;
  };

  return {
    write: (chunk) => {
      const passed: Buffer[] = [];
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        line.add(chunk.subarray(from, at));
        endLine(passed);
        from = at + 1;
      }
      line.add(chunk.subarray(from));
      return dropsUsage ? Buffer.concat(passed) : chunk;
    },
    end: () => {
      const last = line.take();
      if (last !== null) readLine(last);
      const rest = dropsUsage && !isDropped ? Buffer.concat([...event, last ?? none]) : none;
      line.close();
      return { rest, report };
    },
  };
}

/** Whether an event of a stream of chat completions only reports usage: it has no choices. */
function isUsageOnly(data: unknown): boolean {
  if (!isRecord(data) || !isRecord(data["usage"])) return false;
  return Array.isArray(data["choices"]) && data["choices"].length === 0;
}

/** Joins reports of one answer: later figures replace earlier ones. */
function join(before: Report | null, next: Report | null): Report | null {
  if (before === null || next === null) return next ?? before;
  return { model: before.model ?? next.model, usage: { ...before.usage, ...next.usage } };
}
