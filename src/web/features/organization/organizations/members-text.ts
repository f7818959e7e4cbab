import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { countOf } from "../../../ui/text/number.js";

/** "4 people, 4 agents"; "1 person" if there are no agents. */
export function membersText({
  people,
  agents,
}: Pick<OrganizationItem["counts"], "people" | "agents">): string {
  const persons = countOf(people, "person", "people");
  return agents === 0 ? persons : `${persons}, ${countOf(agents, "agent")}`;
}
