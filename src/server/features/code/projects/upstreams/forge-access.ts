import type { UpstreamLogin } from "#git/upstream/upstream-connection.js";
import type { AuditWriter } from "../../../../db/audit/audit.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import type { OrgContext } from "../../../../http/requests/request-context.js";

/** A repository on a forge, as a project is linked to it. */
export interface RepositoryLink {
  forge_id: string;
  /** Full name, as in `acme/shop`. */
  name: string;
}

export interface FoundRepository {
  name: string;
  web_url: string;
  clone_url: string;
}

/** The connections to forges. A higher feature has them. */
export interface ForgeAccess {
  /**
   * Finds a repository by a connection of the caller's organization; null without the connection.
   * @throws AppError 403 without `org:forges:read`; 422 with the forge's reason
   */
  findRepository(
    context: OrgContext,
    forgeId: string,
    name: string,
  ): Promise<FoundRepository | null>;
  /** Prepares a project that is being linked, in the transaction that does. */
  linked(
    tx: Queryable,
    audit: AuditWriter,
    context: OrgContext,
    project: { id: string; forge_id: string },
  ): Promise<void>;
  /** Returns a login for git in one repository. @throws AppError 404; 422 */
  gitLogin(orgId: string, link: RepositoryLink): Promise<UpstreamLogin>;
}
