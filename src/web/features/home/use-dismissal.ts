import { useQueryClient } from "@tanstack/react-query";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import { asApiError, client } from "../../api/client.js";
import { attentionQuery } from "../../api/queries/overview.js";
import { notify } from "../../ui/feedback/toast.js";

/**
 * Returns a function that marks an item as done. The item disappears at once, so that the next one can follow
 * without a pause; it returns if the server refuses.
 */
export function useDismissal(orgId: string): (item: AttentionItem) => void {
  const queries = useQueryClient();
  const { queryKey } = attentionQuery(orgId);
  const refresh = (): void => void queries.invalidateQueries({ queryKey });
  const fail = (error: unknown): void => notify(asApiError(error).message, "bad");
  const undo = async (item: AttentionItem): Promise<void> => {
    try {
      await client.overview.undismiss({ params: { org_id: orgId, item_key: item.key } });
    } catch (error) {
      fail(error);
    }
    refresh();
  };
  const dismiss = async (item: AttentionItem): Promise<void> => {
    // An answer that is on its way would bring the item back.
    await queries.cancelQueries({ queryKey });
    queries.setQueryData(queryKey, (items) => items?.filter(({ key }) => key !== item.key));
    try {
      await client.overview.dismiss({ params: { org_id: orgId, item_key: item.key } });
      notify("Marked as done", "good", () => void undo(item));
    } catch (error) {
      // 404: another user was faster, or the cause is gone.
      if (asApiError(error).status !== 404) {
        fail(error);
        queries.setQueryData(queryKey, (items) => items && [item, ...items]);
      }
      refresh();
    }
  };
  return (item) => void dismiss(item);
}
