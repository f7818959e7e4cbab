import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { type ApiError, asApiError } from "./client.js";
import { notify } from "../ui/toast.js";

interface ActionOptions<Input, Data> {
  /** Does it. `headers` make a repetition after a lost answer the same request (Idempotency-Key). */
  run: (input: Input, headers: Record<string, string>) => Promise<{ data: Data; status: number }>;
  /** The queries that show something else afterwards. */
  refresh?: readonly QueryKey[];
  /** What is said when it is done; undefined where the page shows it by itself. */
  successMessage?: (data: Data, status: number) => string | undefined;
  /** How it is taken back, where that can be done: offered with what is said. */
  undo?: (data: Data) => (() => Promise<unknown>) | undefined;
  onDone?: (data: Data) => void;
  /** Whether a refusal is shown as a toast: for buttons. Forms show it themselves. */
  toastErrors?: boolean;
}

export interface Action<Input> {
  submit: (input: Input) => void;
  pending: boolean;
  error: ApiError | null;
  reset: () => void;
}

/** Works without a secure context, which a self-hosted server often lacks. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}

/** Something the viewer does: once at a time, its refusal kept for the form, its queries refreshed. */
export function useApiMutation<Input, Data>(options: ActionOptions<Input, Data>): Action<Input> {
  const queries = useQueryClient();
  const isBusy = useRef(false);
  const last = useRef<{ input: string; key: string } | null>(null);

  const refresh = async (): Promise<void> => {
    await Promise.all(
      (options.refresh ?? []).map((queryKey) => queries.invalidateQueries({ queryKey })),
    );
  };
  const takeBack = async (undo: () => Promise<unknown>): Promise<void> => {
    try {
      await undo();
      notify("Undone");
    } catch (error) {
      notify(asApiError(error).message, "bad");
    }
    await refresh();
  };
  const mutation = useMutation({
    mutationFn: (input: Input) => {
      const text = JSON.stringify(input) ?? "";
      if (last.current?.input !== text) last.current = { input: text, key: randomKey() };
      return options.run(input, { "idempotency-key": last.current.key });
    },
    onSuccess: async ({ data, status }) => {
      last.current = null;
      const message = options.successMessage?.(data, status);
      const undo = options.undo?.(data);
      if (message !== undefined) notify(message, "good", undo && (() => void takeBack(undo)));
      await refresh();
      options.onDone?.(data);
    },
    onError: (error) => {
      const { status, message } = asApiError(error);
      // A refusal is final: the next try is a new request. After silence it may be the same one.
      if (status !== 0 && status < 500) last.current = null;
      if (options.toastErrors) notify(message, "bad");
    },
    onSettled: () => {
      isBusy.current = false;
    },
  });

  return {
    submit: (input) => {
      // `isPending` is one render late for a double click.
      if (isBusy.current) return;
      isBusy.current = true;
      mutation.mutate(input);
    },
    pending: mutation.isPending,
    error: mutation.error === null ? null : asApiError(mutation.error),
    reset: mutation.reset,
  };
}
