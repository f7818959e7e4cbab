import type { Project } from "#shared/api/projects/projects.js";
import type { TestPerson } from "./app.js";

/** Polls until an import has ended, successfully or not. */
export async function untilImported(person: TestPerson, projectId: string): Promise<Project> {
  for (;;) {
    const { data } = await person.api.projects.get({ params: { project_id: projectId } });
    if (data.status !== "importing") return data;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export async function untilReady(person: TestPerson, projectId: string): Promise<Project> {
  const project = await untilImported(person, projectId);
  if (project.status !== "ready") throw new Error(`the import failed: ${project.error}`);
  return project;
}

/** Polls until no fetch or push is in progress. */
export async function untilIdle(person: TestPerson, projectId: string): Promise<Project> {
  for (;;) {
    const { data } = await person.api.projects.get({ params: { project_id: projectId } });
    if (!["fetching", "pushing"].includes(data.upstream?.status ?? "idle")) return data;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
