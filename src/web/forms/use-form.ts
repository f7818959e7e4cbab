import type { QueryKey } from "@tanstack/react-query";
import { useState } from "react";
import type { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { useApiMutation } from "../api/use-mutation.js";
import { ApiError, validateBody } from "../api/client.js";
import { type Call, useSchemas } from "../api/api-calls.js";
import { useUnsaved } from "../ui/fields/unsaved.js";

interface FormOptions<Values extends object, Body extends z.ZodType, Data> {
  /** The call whose schema validates the fields while typing and on submit. */
  endpoint: Call<Endpoint & { body: Body }>;
  /**
   * The saved values, or the defaults of a new resource. Fields are named as in the body (dotted for
   * nested ones: `settings.retention_days`). If the values change in another tab or by another user,
   * unedited fields follow.
   */
  saved: Values;
  /** Returns the body; `changed` has the names of edited fields. */
  toBody: (values: Values, changed: ReadonlySet<keyof Values>) => z.input<Body>;
  run: (
    body: z.input<Body>,
    headers: Record<string, string>,
  ) => Promise<{ data: Data; status: number }>;
  /** ETag of the saved values: a concurrent change is reported instead of overwritten. */
  version?: string | undefined;
  /** Reads the saved values again after a concurrent change; see `editOptions`. */
  reread?: () => Promise<{ saved: Values; version: string | undefined }>;
  /** Maps error codes to fields, for errors that concern one field without naming it. */
  fieldOf?: Partial<Record<string, keyof Values>>;
  /** Fields of the body whose errors the form shows by `errorOf`. */
  alsoShown?: readonly string[];
  refresh?: readonly QueryKey[];
  successMessage?: (data: Data) => string | undefined;
  onDone?: (data: Data) => void;
  /** Whether leaving with unsaved input asks for confirmation; false for sign-in forms. */
  isGuarded?: boolean;
}

interface FieldState<Name, Value> {
  name: Name;
  value: Value;
  onChange: (value: Value) => void;
  error: string | undefined;
  /** Value saved by another user while the field was being edited. */
  incoming: { value: Value; onTake: () => void } | undefined;
}

export interface FormState<Values extends object> {
  values: Values;
  set: (change: Partial<Values>) => void;
  /** Props of a field component: `<TextField label="Name" {...form.field("name")} />`. */
  field: <Name extends keyof Values & string>(name: Name) => FieldState<Name, Values[Name]>;
  /** Returns the first error of the given body fields, for errors without a form field. */
  errorOf: (...names: string[]) => string | undefined;
  error: ApiError | null;
  pending: boolean;
  submit: () => void;
  /** Discards edits. */
  reset: () => void;
  /** Props of the `Form` component. */
  props: {
    onSubmit: () => void;
    onLeaveField: (name: string) => void;
    error: Error | null;
    isShownAtField: boolean;
    pending: boolean;
  };
}

const staleText =
  "Another user saved changes while you edited. Your changes are kept: compare, then save again.";

interface State<Values> {
  values: Values;
  /** Saved values that the edits started from. */
  base: Values;
  /** The last known saved values. */
  seen: Values;
  /** Values saved by others for fields that are being edited here. */
  incoming: Partial<Values>;
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}

function isEmpty(value: unknown): boolean {
  return value === "" || value === null || value === undefined;
}

/**
 * A form for one API call. A field is validated by the call's schema once it loses focus or the form is
 * submitted, then on every keystroke. A server error stays at its field until the field changes. Input
 * is never lost.
 */
export function useForm<Values extends object, Body extends z.ZodType, Data>(
  options: FormOptions<Values, Body, Data>,
): FormState<Values> {
  const { endpoint, saved, toBody, version, fieldOf = {} } = options;
  const names = Object.keys(saved) as (keyof Values & string)[];
  const [state, setState] = useState<State<Values>>({
    values: saved,
    base: saved,
    seen: saved,
    incoming: {},
  });
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [sent, setSent] = useState<Values | null>(null);

  if (!isSame(state.seen, saved)) setState(follow(state, saved, names));
  const { values, base, incoming } = state;
  const displayed = new Set<string>([...names, ...(options.alsoShown ?? [])]);
  const changed = new Set(names.filter((name) => !isSame(values[name], base[name])));
  const forget = useUnsaved((options.isGuarded ?? true) && changed.size > 0);

  const send = async (
    body: z.input<Body>,
    headers: Record<string, string>,
    tag = version,
    tries = 5,
  ): Promise<{ data: Data; status: number }> => {
    try {
      return await options.run(body, tag === undefined ? headers : { ...headers, "if-match": tag });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "stale" || !options.reread) throw error;
      const now = await options.reread();
      // No conflict: the change concerns fields outside this form, such as an agent's last activity, or
      // the saved values equal the input because the previous response was lost.
      const isOurs = names.every(
        (name) => isSame(now.saved[name], base[name]) || isSame(now.saved[name], values[name]),
      );
      if (isOurs && tries > 1) return send(body, headers, now.version, tries - 1);
      // The saved value is shown beside the input.
      throw new ApiError({ ...error.problem, detail: staleText });
    }
  };
  const action = useApiMutation({
    run: async (body: z.input<Body>, headers) => send(await validateBody(endpoint, body), headers),
    ...(options.refresh ? { refresh: options.refresh } : {}),
    successMessage: (data) => {
      // Saved: only input since the submit counts as unsaved.
      setState((now) => ({ ...now, base: sent ?? now.base, incoming: {} }));
      setSent(null);
      forget();
      return options.successMessage?.(data);
    },
    ...(options.onDone ? { onDone: options.onDone } : {}),
  });

  const { error } = action;
  const schemas = useSchemas(endpoint, changed.size > 0 || left.size > 0 || sent !== null);
  const judged = schemas?.body.safeParse(toBody(values, changed));
  const issueOf = (name: string): string | undefined =>
    judged === undefined || judged.success
      ? undefined
      : judged.error.issues.find(({ path }) => path[0] === name || path.join(".") === name)
          ?.message;
  const refusalOf = (name: string): string | undefined =>
    error?.field(name) ?? (error && fieldOf[error.code] === name ? error.message : undefined);

  const errorOf = (name: keyof Values & string): string | undefined => {
    const isSent = sent !== null && isSame(sent[name], values[name]);
    const isJudged = sent !== null || (left.has(name) && !isEmpty(values[name]));
    return (isJudged ? issueOf(name) : undefined) ?? (isSent ? refusalOf(name) : undefined);
  };
  const submit = (): void => {
    if (action.pending) return;
    setSent(values);
    action.submit(toBody(values, changed));
  };
  const set = (change: Partial<Values>): void => {
    setState((now) => ({ ...now, values: { ...now.values, ...change } }));
  };

  return {
    values,
    set,
    field: (name) => ({
      name,
      value: values[name],
      onChange: (value) => set({ [name]: value } as unknown as Partial<Values>),
      error: errorOf(name),
      incoming:
        name in incoming
          ? {
              value: incoming[name] as Values[typeof name],
              onTake: () =>
                setState((now) => ({
                  ...now,
                  values: { ...now.values, [name]: incoming[name] },
                  incoming: without(now.incoming, name),
                })),
            }
          : undefined,
    }),
    errorOf: (...wanted) => {
      if (sent === null) return undefined;
      for (const name of wanted) {
        const text = issueOf(name) ?? (isSame(sent, values) ? refusalOf(name) : undefined);
        if (text !== undefined) return text;
      }
      return undefined;
    },
    error,
    pending: action.pending,
    submit,
    reset: () => {
      setState({ values: saved, base: saved, seen: saved, incoming: {} });
      setLeft(new Set());
      setSent(null);
    },
    props: {
      onSubmit: submit,
      onLeaveField: (name) => {
        if (!left.has(name)) setLeft(new Set([...left, name]));
      },
      error: error && isSame(sent, values) ? error : error?.code === "stale" ? error : null,
      pending: action.pending,
      isShownAtField:
        error !== null &&
        (error.code in fieldOf ||
          (error.problem.errors ?? []).some(
            ({ loc }) => displayed.has(String(loc[1])) || displayed.has(loc.slice(1).join(".")),
          )),
    },
  };
}

function without<Values extends object>(
  some: Partial<Values>,
  name: keyof Values,
): Partial<Values> {
  const { [name]: _gone, ...rest } = some;
  return rest as Partial<Values>;
}

/**
 * Applies new saved values: unedited fields follow, edited fields keep their input and offer the new
 * value.
 */
function follow<Values extends object>(
  { values, base, incoming }: State<Values>,
  saved: Values,
  names: readonly (keyof Values & string)[],
): State<Values> {
  const next = { values: { ...values }, base: saved, seen: saved, incoming: { ...incoming } };
  for (const name of names) {
    const isEdited = !isSame(values[name], base[name]);
    if (!isEdited || isSame(values[name], saved[name])) {
      next.values[name] = saved[name];
      delete next.incoming[name];
    } else if (!isSame(base[name], saved[name])) {
      next.incoming[name] = saved[name];
    }
  }
  return next;
}
