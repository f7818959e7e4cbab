import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { type ApiError, asApiError } from "./client.js";
import { notify } from "../ui/feedback/toast.js";

export interface ActionOptions<Input, Data> {
  /**
   * Sends the request. `headers` hold the Idempotency-Key, so that a retry after a lost response is
   * safe.
   */
  run: (input: Input, headers: Record<string, string>) => Promise<{ data: Data; status: number }>;
  /** Queries to invalidate on success. */
  refresh?: readonly QueryKey[];
  /** Toast on success; undefined if the page shows the result itself. */
  successMessage?: (data: Data, status: number) => string | undefined;
  /** Reverts the change, if possible; offered in the toast. */
  undo?: (data: Data) => (() => Promise<unknown>) | undefined;
  onDone?: (data: Data) => void;
  /** Whether errors are shown as toasts: for buttons. Forms show errors themselves. */
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

/** Runs a mutation once at a time, keeps its error for the form and invalidates queries. */
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
      // An error response is final, so the next attempt gets a new key. After a lost response, the same
      // key is reused.
      if (status !== 0 && status < 500) last.current = null;
      if (options.toastErrors) notify(message, "bad");
    },
    onSettled: () => {
      isBusy.current = false;
    },
  });

  return {
    submit: (input) => {
      // `isPending` is updated one render too late for a double click.
      if (isBusy.current) return;
      isBusy.current = true;
      mutation.mutate(input);
    },
    pending: mutation.isPending,
    error: mutation.error === null ? null : asApiError(mutation.error),
    reset: mutation.reset,
  };
}
