import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { organizationsQuery } from "../api/queries/organization/organizations.js";

const storageKey = "omoi.organization";
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  // The choice was made in another tab.
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

/** Sets the organization that lists and dialogs refer to. Only its id is stored. */
export function switchOrganization(orgId: string): void {
  localStorage.setItem(storageKey, orgId);
  for (const listener of listeners) listener();
}

/** Whether the list is too long for a menu, so that a search field is shown instead. */
export const needsSearch = ({ length }: readonly OrganizationItem[]): boolean => length > 12;

interface Current {
  /** Undefined while loading, and when the viewer belongs to no organization. */
  organization: OrganizationItem | undefined;
  organizations: readonly OrganizationItem[];
  isPending: boolean;
  error: Error | null;
  retry: () => void;
}

const chosenId = (): string | null => localStorage.getItem(storageKey);

/** Returns the selected organization, or the first one if none is selected or it no longer exists. */
export function selectOrganization(
  organizations: readonly OrganizationItem[],
  chosen = chosenId(),
): OrganizationItem | undefined {
  return organizations.find(({ id }) => id === chosen) ?? organizations[0];
}

export function useCurrentOrganization(): Current {
  const chosen = useSyncExternalStore(subscribe, chosenId);
  const { data = [], isPending, error, refetch } = useQuery(organizationsQuery);
  return {
    organization: selectOrganization(data, chosen),
    organizations: data,
    isPending,
    error: data.length > 0 ? null : error,
    retry: () => void refetch(),
  };
}
