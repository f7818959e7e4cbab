import pg from "pg";
import { inject } from "vitest";
import type { TestApp } from "./app.js";

/** Runs one statement in an application's database as the administrator of its cluster. */
export async function asAdmin(
  app: Pick<TestApp, "owner">,
  text: string,
  values: unknown[] = [],
): Promise<void> {
  const { database } = app.owner;
  const client = new pg.Client({ ...inject("cluster").admin, database });
  await client.connect();
  try {
    await client.query(text, values);
  } finally {
    await client.end();
  }
}
