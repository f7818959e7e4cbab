import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { asApiError, client } from "../../../api/client.js";
import { attentionQuery } from "../../../api/queries/work/overview.js";
import { notify } from "../../../ui/feedback/toast.js";
import { clockText } from "./snooze-times.js";

interface Dismissal {
  /** Marks an item as done, or snoozes it until a time. */
  dismiss: (item: AttentionItem, until?: Date) => void;
  /** Keys of the items that are being marked as done. The list may still have them. */
  dismissing: ReadonlySet<string>;
}

/**
 * Marks items as done or snoozes them. An item disappears at once, so that the next one can follow without a pause; it returns if
 * the server refuses.
 */
export function useDismissal(orgId: string): Dismissal {
  const queries = useQueryClient();
  // A refetch meanwhile may bring a list from before the dismissal.
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const { queryKey } = attentionQuery(orgId);
  const refresh = (): void => void queries.invalidateQueries({ queryKey });
  const fail = (error: unknown): void => notify(asApiError(error).message, "bad");
  const leaveOut = (item: AttentionItem) =>
    queries.setQueryData(queryKey, (items) => items?.filter(({ key }) => key !== item.key));
  const undo = async (item: AttentionItem): Promise<void> => {
    try {
      await client.overview.undismiss({ params: { org_id: orgId, item_key: item.key } });
    } catch (error) {
      fail(error);
    }
    refresh();
  };
  const dismiss = async (item: AttentionItem, until?: Date): Promise<void> => {
    setKeys((before) => new Set(before).add(item.key));
    // For other parts of the page, such as the number in the navigation.
    leaveOut(item);
    let isDone = true;
    try {
      await client.overview.dismiss({
        params: { org_id: orgId, item_key: item.key },
        body: { ...(until && { until: until.toISOString() }) },
      });
      const done = until ? `Snoozed until ${clockText(until, new Date())}` : "Marked as done";
      notify(done, "good", () => void undo(item));
    } catch (error) {
      // 404: another user was faster, or the cause is gone.
      if (asApiError(error).status !== 404) {
        fail(error);
        isDone = false;
      }
    }
    await queries.cancelQueries({ queryKey });
    leaveOut(item);
    if (!isDone) queries.setQueryData(queryKey, (items) => items && [item, ...items]);
    setKeys((before) => new Set([...before].filter((key) => key !== item.key)));
    refresh();
  };
  return { dismiss: (item, until) => void dismiss(item, until), dismissing: keys };
}
