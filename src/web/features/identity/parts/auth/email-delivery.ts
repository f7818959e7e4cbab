import { useQuery } from "@tanstack/react-query";
import { meQuery, methodsQuery } from "../../../../api/queries/identity/auth.js";
import { mayBeSignedIn } from "../../../../access/signed-in.js";

/** The location of an email that the server cannot send; null if emails are sent. */
export function useUnsentEmailNote(): string | null {
  const { data: methods } = useQuery(methodsQuery);
  const { data: me } = useQuery({ ...meQuery, enabled: mayBeSignedIn() });
  if (methods?.sends_email !== false) return null;
  return me?.is_super_admin === true
    ? "No mail server is set up. The email with the link is a file in the outbox folder of the server's data directory."
    : "This server sends no email. Ask its administrator for the link.";
}
