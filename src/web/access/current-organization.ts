import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { OrganizationItem } from "#shared/api/organizations.js";
import { organizationsQuery } from "../api/queries/organizations.js";

const storageKey = "omoi.organization";
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // Another tab's choice.
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

/** Remembers the organization that lists and dialogs are about; only its id is kept. */
export function switchOrganization(orgId: string): void {
  localStorage.setItem(storageKey, orgId);
  for (const listener of listeners) listener();
}

/** Whether there are too many to choose one from a menu: then one is searched for. */
export const areSearched = ({ length }: readonly OrganizationItem[]): boolean => length > 12;

interface Current {
  /** Undefined while loading, and where the viewer belongs to none. */
  organization: OrganizationItem | undefined;
  organizations: readonly OrganizationItem[];
  isPending: boolean;
  error: Error | null;
  retry: () => void;
}

const chosenId = (): string | null => localStorage.getItem(storageKey);

/** The organization switched to; the first one where nothing was chosen, or the choice is gone. */
export function currentOf(
  organizations: readonly OrganizationItem[],
  chosen = chosenId(),
): OrganizationItem | undefined {
  return organizations.find(({ id }) => id === chosen) ?? organizations[0];
}

export function useCurrentOrganization(): Current {
  const chosen = useSyncExternalStore(subscribe, chosenId);
  const { data = [], isPending, error, refetch } = useQuery(organizationsQuery);
  return {
    organization: currentOf(data, chosen),
    organizations: data,
    isPending,
    error: data.length > 0 ? null : error,
    retry: () => void refetch(),
  };
}
