import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { slugFrom } from "#shared/organization/slug-from.js";
import { client } from "../../../api/client.js";
import { api } from "../../../api/api-calls.js";
import { useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { TextArea, TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { Page } from "../../../ui/layout/page.js";
import { switchOrganization } from "../../../access/current-organization.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";
import { SlugHint, SlugStatus, useSlugCheck } from "./settings/slug-check.js";
import { slugCodes } from "../parts/suggested-slug.js";

/** Converts an entered number; empty means the server's default. */
function numberFrom(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text);
}

export function NewOrganizationPage(): ReactElement {
  const navigate = useNavigate();
  const form = useForm({
    endpoint: api.organizations.create,
    saved: {
      name: "",
      // Empty: derived from the name.
      slug: "",
      description: "",
      billing_email: "",
      max_concurrent_agents: "",
      max_agent_runtime_hours: "",
    },
    toBody: (values) => {
      const slug = values.slug || slugFrom(values.name);
      const agents = numberFrom(values.max_concurrent_agents);
      const hours = numberFrom(values.max_agent_runtime_hours);
      return {
        name: values.name,
        ...(slug === "" ? {} : { slug }),
        description: values.description.trim() || null,
        billing_email: values.billing_email.trim() || null,
        ...(agents === undefined ? {} : { max_concurrent_agents: agents }),
        ...(hours === undefined ? {} : { max_agent_runtime_hours: hours }),
      };
    },
    run: (body, headers) => client.organizations.create({ body }, { headers }),
    fieldOf: slugCodes,
    refresh: [organizationsKey],
    successMessage: () => "Organization created",
    onDone: ({ id }) => {
      switchOrganization(id);
      void navigate(paths.organization(id));
    },
  });
  const slug = form.values.slug || slugFrom(form.values.name);
  const setSlug = (next: string): void => form.set({ slug: next });
  const check = useSlugCheck({ slug, orgId: null, isNew: true, refusal: form.error });

  return (
    <Page
      title="New Organization"
      width="narrow"
      crumbs={[
        <CrumbLink key="organizations" {...paths.organizations()}>
          Organizations
        </CrumbLink>,
      ]}
      description="It holds projects, agents, members and their limits. You will be its owner."
    >
      <Card>
        <Form label="New Organization" {...form.props}>
          <TextField label="Name" {...form.field("name")} />
          <TextField
            label="Slug"
            {...form.field("slug")}
            value={slug}
            error={form.field("slug").error ?? check.error}
            className="font-mono text-[13px]"
            hint={
              <SlugHint slug={slug} check={check} onTake={setSlug}>
                Part of URLs, such as clone URLs. Suggested from the name.
              </SlugHint>
            }
          />
          <SlugStatus slug={slug} check={check} />
          <TextArea label="Description" {...form.field("description")} optional />
          <TextField label="Billing email" {...form.field("billing_email")} type="email" optional />
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label="Max Concurrent Agents"
              {...form.field("max_concurrent_agents")}
              inputMode="numeric"
              optional
              placeholder="Default"
            />
            <TextField
              label="Max Runtime Hours"
              {...form.field("max_agent_runtime_hours")}
              inputMode="decimal"
              optional
              placeholder="Default"
              hint="In a calendar month"
            />
          </div>
          <div className="flex justify-end gap-2">
            <Link {...paths.organizations()} className={buttonClass()}>
              Cancel
            </Link>
            <SubmitButton>Create organization</SubmitButton>
          </div>
        </Form>
      </Card>
    </Page>
  );
}
