import { useEffect, useState } from "react";
import { batched, followStream, type StreamState } from "./follow-stream.js";

export interface Followed<Value> {
  value: Value;
  state: StreamState;
  /** Increases as the value grows, since it keeps its identity. */
  version: number;
}

interface Source<Value, Item> {
  path: string;
  /** Type of the stream's events that have an item. */
  event: string;
  /** Returns what the stream is about; its failure ends the following. */
  check: (signal: AbortSignal) => Promise<unknown>;
  create: () => Value;
  append: (value: Value, item: Item) => void;
}

/** Collects the items of an event stream. Components must remount for another stream. */
export function useFollowed<Value, Item>(source: Source<Value, Item>): Followed<Value> {
  const [{ path, event, check, create, append }] = useState(source);
  const [displayed, setDisplayed] = useState<Followed<Value>>(() => ({
    value: create(),
    state: "connecting",
    version: 0,
  }));
  useEffect(() => {
    const value = create();
    let state: StreamState = "connecting";
    let version = 0;
    const [draw, drop] = batched(() => {
      version += 1;
      setDisplayed({ value, state, version });
    });
    const stop = followStream<Item>({
      path,
      event,
      check,
      onItem: (item) => {
        append(value, item);
        draw();
      },
      onState: (next) => {
        state = next;
        draw();
      },
    });
    return () => {
      stop();
      drop();
    };
  }, [path, event, check, create, append]);
  return displayed;
}
