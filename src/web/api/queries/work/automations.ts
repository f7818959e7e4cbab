import { queryOptions } from "@tanstack/react-query";
import type { Firing } from "#shared/api/work/automations.js";
import { client, everyPage } from "../../client.js";
import type { CursorList } from "../../cursor-pages.js";
import { withVersion } from "../../incoming.js";

export const automationsKey = ["automations"] as const;

export const automationsQuery = (projectId: string) =>
  queryOptions({
    queryKey: [...automationsKey, projectId, "list"],
    queryFn: ({ signal }) =>
      everyPage((query) =>
        client.automations.list({ params: { project_id: projectId }, query }, { signal }),
      ),
  });

export const automationQuery = (projectId: string, automationId: string) =>
  queryOptions({
    queryKey: [...automationsKey, projectId, automationId],
    queryFn: async ({ signal }) => {
      const params = { project_id: projectId, automation_id: automationId };
      return (await client.automations.get({ params }, { signal })).data;
    },
  });

/** Reads an automation with its ETag, for a form. */
export const readAutomation = async (project_id: string, automation_id: string) =>
  withVersion(await client.automations.get({ params: { project_id, automation_id } }));

export const firingList = (projectId: string, automationId: string): CursorList<Firing> => ({
  queryKey: [...automationsKey, projectId, automationId, "firings"],
  read: (cursor, signal) =>
    client.automations.firings(
      {
        params: { project_id: projectId, automation_id: automationId },
        query: { limit: 20, cursor },
      },
      { signal },
    ),
});

/** What an event would do: asked when it is shown. */
export const trialQuery = (projectId: string, automationId: string) =>
  queryOptions({
    queryKey: [...automationsKey, projectId, automationId, "trial"],
    queryFn: async ({ signal }) => {
      const params = { project_id: projectId, automation_id: automationId };
      return (await client.automations.test({ params, body: {} }, { signal })).data;
    },
    gcTime: 0,
    staleTime: 0,
  });

/** The next five times of a schedule. */
export const nextTimesQuery = (projectId: string, cron: string, timezone: string) =>
  queryOptions({
    queryKey: [...automationsKey, projectId, "next-times", cron, timezone],
    queryFn: async ({ signal }) => {
      const params = { project_id: projectId };
      const query = { cron, timezone };
      return (await client.automations.nextTimes({ params, query }, { signal })).data.next;
    },
    retry: false,
  });
