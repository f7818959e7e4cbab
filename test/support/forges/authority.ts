import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest";
import { startTestApp, type TestApp, type TestPerson } from "../server/app.js";
import { makeLinkedProject, type LinkedProject } from "./linked-project.js";

export let app: TestApp;
export let owner: TestPerson;
export let world: LinkedProject;

export const task = { create: "say Hello?" };
/** Waits until the newest delivery is decided. */
export async function decided(count = 1) {
  await world.double.outbox.idle();
  await expect
    .poll(
      async () => (await world.deliveries()).filter(({ status }) => status !== "pending").length,
    )
    .toBeGreaterThanOrEqual(count);
  await expect
    .poll(async () => (await world.deliveries()).filter(({ status }) => status === "pending"))
    .toEqual([]);
  return world.deliveries();
}

/** Declares the set-up for the tests of a file. */
export function prepareAuthority(): void {
  beforeAll(async () => {
    app = await startTestApp(
      {
        OMOI_FORGE_PRIVATE_HOSTS: "true",
        OMOI_SANDBOX: "required",
        OMOI_RUN_STOP_GRACE_SECONDS: "1",
        OMOI_LOG_LEVEL: "error",
      },
      "real",
    );
    owner = await app.person("Ada");
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    world = await makeLinkedProject(owner, "github", "webhook");
  });
  afterEach(async () => {
    expect(world.double.violations).toEqual([]);
    await world.double.close();
  });
}
