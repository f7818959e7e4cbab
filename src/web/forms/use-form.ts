import type { QueryKey } from "@tanstack/react-query";
import { useState } from "react";
import type { z } from "zod";
import type { Endpoint } from "#shared/contract/endpoint.js";
import { useApiMutation } from "../api/use-mutation.js";
import { ApiError, checked } from "../api/client.js";
import { type Call, useSchemas } from "../api/api-calls.js";
import { useUnsaved } from "../ui/unsaved.js";

interface FormOptions<Values extends object, Body extends z.ZodType, Data> {
  /** The call whose rules the fields are held to, as one types and before anything is sent. */
  endpoint: Call<Endpoint & { body: Body }>;
  /**
   * What is saved, or what a new thing starts with; fields carry the names of the body's
   * (`settings.retention_days` where they lie deeper). Where it
   * changes meanwhile (another tab, a colleague), fields left alone follow it.
   */
  saved: Values;
  /** The body from the fields; `changed` are those that differ from what is saved. */
  toBody: (values: Values, changed: ReadonlySet<keyof Values>) => z.input<Body>;
  run: (
    body: z.input<Body>,
    headers: Record<string, string>,
  ) => Promise<{ data: Data; status: number }>;
  /** The ETag of what is saved: a change made meanwhile is then told and not overwritten. */
  version?: string | undefined;
  /** Reads again what is saved, where somebody else changed it meanwhile; see `editing`. */
  reread?: () => Promise<{ saved: Values; version: string | undefined }>;
  /** Refusals that are about one field and do not name it: the field by the error's code. */
  fieldOf?: Partial<Record<string, keyof Values>>;
  /** Fields of the body whose errors the form shows by `errorOf`. */
  alsoShown?: readonly string[];
  refresh?: readonly QueryKey[];
  successMessage?: (data: Data) => string | undefined;
  onDone?: (data: Data) => void;
  /** Whether leaving asks about what was typed; not for signing in. */
  isGuarded?: boolean;
}

interface FieldState<Name, Value> {
  name: Name;
  value: Value;
  onChange: (value: Value) => void;
  error: string | undefined;
  /** What somebody else saved in the field while it was edited here. */
  incoming: { value: Value; onTake: () => void } | undefined;
}

export interface FormState<Values extends object> {
  values: Values;
  set: (change: Partial<Values>) => void;
  /** All that a field part needs: `<TextField label="Name" {...form.field("name")} />`. */
  field: <Name extends keyof Values & string>(name: Name) => FieldState<Name, Values[Name]>;
  /** What is wrong with the first of some fields of the body, where no field has its name. */
  errorOf: (...names: string[]) => string | undefined;
  error: ApiError | null;
  pending: boolean;
  submit: () => void;
  /** Back to what is saved, with nothing typed. */
  reset: () => void;
  /** For the `Form` part. */
  props: {
    onSubmit: () => void;
    onLeaveField: (name: string) => void;
    error: Error | null;
    isShownAtField: boolean;
  };
}

const staleText =
  "Another user saved changes while you edited. Your changes are kept: compare, then save again.";

interface State<Values> {
  values: Values;
  /** What the typed values started from. */
  base: Values;
  /** What was last told to be saved. */
  seen: Values;
  /** What somebody else saved in fields that are being edited here. */
  incoming: Partial<Values>;
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || JSON.stringify(left) === JSON.stringify(right);
}

function isEmpty(value: unknown): boolean {
  return value === "" || value === null || value === undefined;
}

/**
 * A form over one call of the contract. A field is judged by the call's own rules once it was left or
 * the form was sent, from then on as one types; a refusal of the server shows at its field until that
 * field changes. What was typed stays, whatever happens.
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
  const shown = new Set<string>([...names, ...(options.alsoShown ?? [])]);
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
      // What changed is nothing that stands in this form, such as when an agent last worked, or it is
      // what is typed: the answer to the try before was lost.
      const isOurs = names.every(
        (name) => isSame(now.saved[name], base[name]) || isSame(now.saved[name], values[name]),
      );
      if (isOurs && tries > 1) return send(body, headers, now.version, tries - 1);
      // It is in the fields beside what was typed.
      throw new ApiError({ ...error.problem, detail: staleText });
    }
  };
  const action = useApiMutation({
    run: async (body: z.input<Body>, headers) => send(await checked(endpoint, body), headers),
    ...(options.refresh ? { refresh: options.refresh } : {}),
    successMessage: (data) => {
      // Saved: what was typed since then is what is unsaved now.
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
      isShownAtField:
        error !== null &&
        (error.code in fieldOf ||
          (error.problem.errors ?? []).some(
            ({ loc }) => shown.has(String(loc[1])) || shown.has(loc.slice(1).join(".")),
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

/** What is saved has changed: fields left alone follow, edited ones keep what was typed and tell. */
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
