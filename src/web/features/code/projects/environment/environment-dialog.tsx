import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Environment } from "#shared/api/execution/environments.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { buildList, environmentQuery } from "../../../../api/queries/execution/environments.js";
import { sandboxQuery } from "../../../../api/queries/execution/runs.js";
import { queryClient } from "../../../../api/query-client.js";
import {
  EnvFields,
  type EnvRow,
  envOf,
  nameErrors,
} from "../../../execution/parts/runs/start/env-fields.js";
import { restrictionProblem } from "../../../execution/parts/runs/start/network-fields.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { SavedMeanwhile, TextArea } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";

interface EnvironmentDialogProps {
  projectId: string;
  environment: Environment;
  onClose: () => void;
}

/** Replaces a project's environment. */
export function EnvironmentDialog(props: EnvironmentDialogProps): ReactElement {
  return (
    <Dialog
      isOpen
      onClose={props.onClose}
      title="Edit environment"
      description="For new workspaces, and for runs that start from now on."
      width="wide"
    >
      <EnvironmentForm {...props} />
    </Dialog>
  );
}

interface Values {
  setup_script: string;
  /** One path per line. */
  cache_key_files: string;
  variables: readonly EnvRow[];
  /** One host per line; empty for no list. */
  allowed_hosts: string;
  network: Environment["network"];
}

function valuesOf(environment: Environment): Values {
  const { setup_script, cache_key_files, allowed_hosts, network } = environment;
  return {
    setup_script,
    cache_key_files: cache_key_files.join("\n"),
    variables: Object.entries(environment.variables).map(([name, value], index) => ({
      key: index + 1,
      name,
      value,
    })),
    allowed_hosts: (allowed_hosts ?? []).join("\n"),
    network,
  };
}

/** Null for an empty text: each run names its own hosts. */
function hostsOf(text: string): string[] | null {
  const hosts = text.split(/[\s,]+/).filter(Boolean);
  return hosts.length === 0 ? null : hosts;
}

function pathsOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

function EnvironmentForm({
  projectId,
  environment,
  onClose,
}: EnvironmentDialogProps): ReactElement {
  const { data: sandbox } = useQuery(sandboxQuery);
  const form = useForm({
    endpoint: api.environments.set,
    ...editOptions(
      environment,
      () => queryClient.fetchQuery({ ...environmentQuery(projectId), staleTime: 0 }),
      valuesOf,
    ),
    toBody: ({ setup_script, cache_key_files, variables, allowed_hosts, network }) => ({
      // A script of white space only would be built.
      setup_script: setup_script.trim() === "" ? "" : setup_script,
      cache_key_files: pathsOf(cache_key_files),
      variables: envOf(variables),
      allowed_hosts: hostsOf(allowed_hosts),
      network,
    }),
    run: (body, headers) =>
      client.environments.set({ params: { project_id: projectId }, body }, { headers }),
    refresh: [environmentQuery(projectId).queryKey, buildList(projectId).queryKey],
    successMessage: () => "The environment is saved",
    onDone: onClose,
  });
  const { incoming, ...variables } = form.field("variables");
  return (
    <Form label="Environment" {...form.props}>
      <TextArea
        label="Setup script"
        optional
        rows={8}
        {...form.field("setup_script")}
        spellCheck={false}
        autoCapitalize="none"
        className="font-mono text-[13px]"
        placeholder="npm ci"
        hint="Commands of sh, which end at the first failure. They run on a checkout of the default branch, at most one hour. Files that git ignores, such as node_modules, are in new workspaces; all others are dropped."
      />
      <TextArea
        label="Key files"
        optional
        rows={2}
        {...form.field("cache_key_files")}
        spellCheck={false}
        autoCapitalize="none"
        className="font-mono text-[13px]"
        placeholder="package-lock.json"
        hint="One path per line: * matches within a folder, ** any depth. The script runs again when one of these files changes."
      />
      <RadioList
        legend="Network of the script"
        value={form.values.network}
        onChange={(network) => form.set({ network })}
        options={[
          { value: "none", label: "None", hint: "The script reaches nothing outside the sandbox." },
          {
            value: "restricted",
            label: "Restricted",
            hint: "The script reaches the allowed hosts, through a proxy, and this server.",
            disabledReason: sandbox && restrictionProblem(sandbox),
          },
        ]}
      />
      <TextArea
        label="Allowed hosts"
        optional
        rows={3}
        {...form.field("allowed_hosts")}
        spellCheck={false}
        autoCapitalize="none"
        className="font-mono text-[13px]"
        placeholder="registry.npmjs.org"
        hint="One host per line, such as registry.npmjs.org, *.example.com or git.example.com:8443. Without a port: 443 and 80. Runs with a restricted network reach no other hosts, so list those of agents' models, too. Empty: each run names its own hosts."
      />
      <EnvFields
        {...variables}
        legend="Variables"
        isConcealed={false}
        hint="For the script and for runs. All members see the values: put tokens and passwords into the project's secrets, which replace variables of the same name."
      />
      {incoming && (
        <SavedMeanwhile
          label="Variables"
          incoming={{
            ...incoming,
            value: incoming.value.map(({ name, value }) => `${name}=${value}`),
          }}
        />
      )}
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton
          disabledReason={
            nameErrors(form.values.variables).size > 0
              ? "The name of a variable is wrong"
              : undefined
          }
        >
          Save environment
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}
