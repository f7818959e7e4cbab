import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { maintenanceQuery } from "../../api/queries/operation/maintenance.js";
import { Icon } from "../../ui/actions/icons.js";
import { PlainText } from "../../ui/text/plain-text.js";

/** Shows the operator's message above each page during maintenance. */
export function MaintenanceBanner(): ReactElement {
  const { data } = useQuery(maintenanceQuery);
  return (
    <output className="block print:hidden">
      {data.message !== null && (
        <span className="flex items-start gap-2.5 border-b border-line bg-warn-soft px-4 py-2 text-warn sm:px-8">
          <span className="mt-0.5">
            <Icon name="warning" />
          </span>
          <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
            <strong className="font-semibold">Maintenance: nothing can be changed now.</strong>{" "}
            <PlainText value={data.message} />
          </span>
        </span>
      )}
    </output>
  );
}
