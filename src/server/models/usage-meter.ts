/** Counts what an answer reports while it passes. */
import { isRecord, parseJson } from "./json.js";
import { readReport, type Report } from "./token-usage.js";

/** Longest event of a stream, or JSON answer, whose report is read; longer ones are not counted. */
const MAX_READ_BYTES = 16 * 1024 * 1024;
/** Longest event that can be kept from the client; the one without choices is short. */
const MAX_FILTERED_BYTES = 1024 * 1024;

export interface UsageMeter {
  /** Takes the next bytes. Returns those that the client gets. */
  write(chunk: Buffer): Buffer;
  /** Returns the rest for the client, and what the answer reported; null if it reported nothing. */
  end(): { rest: Buffer; report: Report | null };
}

/**
 * @param contentType of the answer
 * @param dropsUsage whether the event of a stream that only reports usage is kept from the client,
 * which did not ask for it
 */
export function createUsageMeter(contentType: string, dropsUsage: boolean): UsageMeter {
  const isStream = /^text\/event-stream\b/i.test(contentType);
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(contentType);
  if (isStream) return dropsUsage ? eventFilter() : eventMeter();
  return isJson ? jsonMeter() : { write: (chunk) => chunk, end: () => nothing };
}

const none: Buffer = Buffer.alloc(0);
const nothing = { rest: none, report: null };

/** Joins reports of one answer: later figures replace earlier ones. */
function join(before: Report | null, next: Report | null): Report | null {
  if (before === null || next === null) return next ?? before;
  return { model: before.model ?? next.model, usage: { ...before.usage, ...next.usage } };
}

function jsonMeter(): UsageMeter {
  let held: Buffer[] = [];
  let bytes = 0;
  return {
    write: (chunk) => {
      bytes += chunk.length;
      if (bytes > MAX_READ_BYTES) held = [];
      else held.push(chunk);
      return chunk;
    },
    end: () => ({ rest: none, report: readReport(parseJson(Buffer.concat(held).toString())) }),
  };
}

/** Collects the bytes of a line or an event; too long ones are forgotten. */
interface Collector {
  add(part: Buffer): void;
  /** Returns what was collected, null if it was too long, and starts anew. */
  take(): Buffer | null;
}

function collector(): Collector {
  let parts: Buffer[] = [];
  let bytes = 0;
  return {
    add: (part) => {
      bytes += part.length;
      if (bytes > MAX_READ_BYTES) parts = [];
      else parts.push(part);
    },
    take: () => {
      const whole = bytes > MAX_READ_BYTES ? null : Buffer.concat(parts);
      parts = [];
      bytes = 0;
      return whole;
    },
  };
}

const NEWLINE = 10;

function eventMeter(): UsageMeter {
  const line = collector();
  let report: Report | null = null;
  const read = (): void => {
    const whole = line.take();
    if (whole !== null && mayReport(whole, report))
      report = join(report, readReport(dataIn(whole)));
  };
  return {
    write: (chunk) => {
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        line.add(chunk.subarray(from, at));
        read();
        from = at + 1;
      }
      line.add(chunk.subarray(from));
      return chunk;
    },
    end: () => {
      read();
      return { rest: none, report };
    },
  };
}

/** Whether a line is worth parsing: most events of a stream repeat the model and report nothing. */
function mayReport(line: Buffer, report: Report | null): boolean {
  if (line.indexOf("data:") !== 0) return false;
  if (report === null || report.model === null) return true;
  const at = line.indexOf('"usage"');
  return at >= 0 && /^"usage"\s*:\s*\{/.test(line.toString("latin1", at, at + 40));
}

function dataIn(line: Buffer): unknown {
  return parseJson(line.toString("utf8", "data:".length));
}

/** Passes whole events of a stream of chat completions, without the last one, which has no choices. */
function eventFilter(): UsageMeter {
  const meter = eventMeter();
  let pending = none;
  const isDropped = (event: Buffer): boolean => {
    const data = dataIn(event);
    if (!isRecord(data) || !isRecord(data["usage"])) return false;
    return Array.isArray(data["choices"]) && data["choices"].length === 0;
  };
  return {
    write: (chunk) => {
      meter.write(chunk);
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const kept: Buffer[] = [];
      for (let end = endOfEvent(pending); end > 0; end = endOfEvent(pending)) {
        const event = pending.subarray(0, end);
        if (event.indexOf("data:") !== 0 || !isDropped(event)) kept.push(event);
        pending = pending.subarray(end);
      }
      if (pending.length > MAX_FILTERED_BYTES) {
        kept.push(pending);
        pending = none;
      }
      return Buffer.concat(kept);
    },
    end: () => ({ rest: pending, report: meter.end().report }),
  };
}

/** Returns the index behind the first event; 0 if it is incomplete. */
function endOfEvent(bytes: Buffer): number {
  const ends = ["\n\n", "\r\n\r\n"].flatMap((mark) => {
    const at = bytes.indexOf(mark);
    return at < 0 ? [] : [at + mark.length];
  });
  return ends.length === 0 ? 0 : Math.min(...ends);
}
