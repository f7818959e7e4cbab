import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useId, useState } from "react";
import { TextField } from "../../../ui/fields/field.js";
import { targetsQuery } from "../../../api/queries/code/merging.js";

interface TargetFieldProps {
  projectId: string;
  value: string;
  onChange: (target: string) => void;
  error: string | undefined;
}

/** The target branch; the project's branches are suggested, any name can be entered. */
export function TargetField({ projectId, value, onChange, error }: TargetFieldProps): ReactElement {
  const [typed, setTyped] = useState(value);
  const { data: names = [] } = useQuery(targetsQuery(projectId));
  const list = useId();
  const select = (next: string): void => {
    if (next.trim() !== "" && next.trim() !== value) onChange(next.trim());
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        select(typed);
      }}
    >
      <TextField
        label="Target Branch"
        list={list}
        value={typed}
        onChange={(next) => {
          setTyped(next);
          // A selected suggestion applies at once.
          if (names.includes(next)) select(next);
        }}
        onBlur={() => select(typed)}
        error={error}
        autoCapitalize="none"
        spellCheck={false}
        className="font-mono text-[13px]"
        hint="The branch to merge into. The preview follows each change."
      />
      <datalist id={list}>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </datalist>
    </form>
  );
}
