import { useEffect, useState } from "react";
import type { Transcript } from "./transcript/entries.js";

export interface SentPrompts {
  /** Their texts. */
  waiting: readonly string[];
  /** Adds a prompt. Returns what is called if it could not be sent. */
  add: (text: string) => () => void;
}

interface SentPrompt {
  text: string;
  /** How many prompts of the same text came before it. */
  after: number;
  /** How many turns had been canceled. */
  canceled: number;
}

/** Prompts sent from this page that the agent has not taken yet. */
export function useSentPrompts(
  { prompts, cancellations }: Transcript,
  version: number,
): SentPrompts {
  const [sent, setSent] = useState<readonly SentPrompt[]>([]);
  const isWaiting = ({ text, after, canceled }: SentPrompt): boolean =>
    (prompts.get(text) ?? 0) <= after && cancellations <= canceled;
  useEffect(() => {
    setSent((before) => (before.every(isWaiting) ? before : before.filter(isWaiting)));
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the transcript is mutated; `version` changes with it
  }, [version]);
  return {
    waiting: sent.filter(isWaiting).map(({ text }) => text),
    add: (text) => {
      const repeated = sent.filter((prompt) => prompt.text === text).length;
      const after = (prompts.get(text) ?? 0) + repeated;
      const prompt = { text, after, canceled: cancellations };
      setSent((before) => [...before, prompt]);
      return () => setSent((before) => before.filter((sentBefore) => sentBefore !== prompt));
    },
  };
}
