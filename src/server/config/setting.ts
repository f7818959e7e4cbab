import type { z } from "zod";

/** One environment variable. */
export interface Setting<Value> {
  variable: string;
  /** Parses and checks the text of the variable. */
  type: z.ZodType<Value, string>;
  /** The text used when the variable is absent or empty. Null: the value is null. */
  default: string | null;
  /** The default as Markdown, if its text does not explain itself. */
  shownDefault?: string;
  /** Markdown, one or two sentences. */
  documentation: string;
  /** Further variables that must be set together with this one. */
  requires?: readonly string[];
}

/** Several variables that form one value of the configuration. */
export interface SettingGroup<Value> {
  settings: readonly Setting<unknown>[];
  read(readOne: <One>(setting: Setting<One>) => One): Value;
}

export function setting<Value, const Default extends string | null>(
  row: Omit<Setting<Value>, "default"> & { default: Default },
): Setting<Default extends null ? Value | null : Value> {
  return row;
}

type ValuesOf<Members> = {
  [Key in keyof Members]: Members[Key] extends Setting<infer Value> ? Value : never;
};

export function group<Members extends Record<string, Setting<unknown>>, Value>(
  members: Members,
  combine: (values: ValuesOf<Members>) => Value,
): SettingGroup<Value> {
  return {
    settings: Object.values(members),
    read: (readOne) => {
      const entries = Object.entries(members).map(([key, member]) => [key, readOne(member)]);
      return combine(Object.fromEntries(entries) as ValuesOf<Members>);
    },
  };
}
