import { setTimeout as pause } from "node:timers/promises";
import type { Task, TaskStatus } from "#shared/api/work/tasks.js";
import type { SandboxState } from "#shared/api/execution/sandbox.js";
import type { Person } from "../session.js";

/** The people and the project of the demo's tasks. */
export interface Shop {
  projectId: string;
  /** The owner of the organization, as whom a visitor signs in. */
  ada: Person;
  john: Person;
  jane: Person;
  /** The network of the agents; null if no agent can start on this machine. */
  network: "restricted" | "full" | "none" | null;
  /** The address that starts a task when the nightly build fails; null before it is made. */
  hook: string | null;
}

type NewTask = Parameters<Person["api"]["tasks"]["create"]>[0]["body"];

/** Returns the strictest network in which agents of this machine reach the server, or else none. */
export function networkOf({
  mode,
  restricted_network,
  full_network,
}: SandboxState): Shop["network"] {
  if (mode === "unavailable") return null;
  if (restricted_network.isolated) return "restricted";
  return full_network.isolated || mode === "off" ? "full" : "none";
}

/** Creates a task for the demo's agent. */
export async function addTask(shop: Shop, person: Person, task: NewTask): Promise<Task> {
  const { api } = person;
  const { projectId, ada } = shop;
  // Members may not give an agent the whole network.
  const network = shop.network === "full" && person !== ada ? "none" : shop.network;
  const starts = network !== null && task.start !== false;
  const launch = network === null ? {} : { command: ["demo-agent"], network };
  const body = { ...task, ...launch, start: starts };
  return (await api.tasks.create({ params: { project_id: projectId }, body })).data;
}

export async function readTask({ api }: Person, task_id: string): Promise<Task> {
  return (await api.tasks.get({ params: { task_id } })).data;
}

/**
 * Waits until a task has a status.
 * @throws Error after a quarter of an hour
 */
export async function untilStatus(
  person: Person,
  id: string,
  ...wanted: readonly TaskStatus[]
): Promise<Task> {
  for (let tries = 0; tries < 3000; tries += 1) {
    const task = await readTask(person, id);
    if (wanted.includes(task.status)) return task;
    await pause(300);
  }
  throw new Error(`the task ${id} of the demo is still not ${wanted.join(" or ")}`);
}

/** Approves the change of a task, and merges it as the person who asked for it. */
export async function approveAndMerge(reviewer: Person, owner: Person, id: string): Promise<void> {
  const params = { task_id: id };
  const { data: changes } = await reviewer.api.reviews.changes({ params, query: {} });
  await reviewer.api.reviews.publish({
    params,
    body: { verdict: "approve", commit_sha: changes.commit_sha, body: "Looks good." },
  });
  await owner.api.tasks.merge({ params });
}
