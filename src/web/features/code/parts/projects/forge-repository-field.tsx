import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useId } from "react";
import type { Forge } from "#shared/api/work/forges.js";
import { repositoriesQuery } from "../../../../api/queries/work/forges.js";
import { useDebounced } from "../../../../hooks/use-debounced.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { TextField } from "../../../../ui/fields/field.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { visible } from "../../../../ui/text/plain-text.js";

interface ForgeRepositoryFieldProps {
  orgId: string;
  forges: readonly Forge[];
  forgeId: string;
  onForge: (forgeId: string) => void;
  /** The full name, or the part of it that is searched for. */
  repository: string;
  onRepository: (name: string) => void;
  error: string | undefined;
}

/** Chooses a repository of a connected forge: its name, completed by a search there. */
export function ForgeRepositoryField({
  orgId,
  forges,
  forgeId,
  onForge,
  repository,
  onRepository,
  error,
}: ForgeRepositoryFieldProps): ReactElement {
  const query = useDebounced(repository.trim(), 300);
  const found = useQuery(repositoriesQuery(orgId, forgeId, query));
  const listId = useId();
  return (
    <div className="flex flex-col gap-4">
      {forges.length > 1 && (
        <SelectField
          label="Forge"
          value={forgeId}
          onChange={onForge}
          options={forges.map(({ id, name }) => ({ value: id, label: visible(name) }))}
        />
      )}
      <TextField
        label="Repository"
        placeholder="acme/shop"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        list={listId}
        value={repository}
        onChange={onRepository}
        error={error}
        hint="Write a part of the name to search for it."
      />
      <datalist id={listId}>
        {(found.data ?? []).map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </datalist>
      {found.error && <Alert>{found.error.message}</Alert>}
      {found.data?.length === 0 && (
        <p className="text-[13px] text-muted">No repository with this name.</p>
      )}
    </div>
  );
}
