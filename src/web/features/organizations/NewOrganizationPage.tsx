import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { slugFrom } from "#shared/api/fields.js";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button, buttonClass } from "../../ui/button.js";
import { Card } from "../../ui/card.js";
import { TextArea, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { CrumbLink } from "../shell/crumb-link.js";
import { Page } from "../../ui/page.js";
import { switchOrganization } from "./current.js";
import { organizationsKey } from "./queries.js";
import { SlugHint, SlugStatus, useSlugCheck } from "./slug-check.js";

/** Empty is "the server's default", anything else has to be a number. */
function numberFrom(text: string): number | undefined {
  return text.trim() === "" ? undefined : Number(text);
}

export function NewOrganizationPage(): ReactElement {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [editedSlug, setSlug] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [billingEmail, setBillingEmail] = useState("");
  const [maxAgents, setMaxAgents] = useState("");
  const [maxHours, setMaxHours] = useState("");
  const slug = editedSlug ?? slugFrom(name);

  const create = useAction({
    run: (body: Parameters<typeof client.organizations.create>[0]["body"], headers) =>
      client.organizations.create({ body: checked(api.organizations.create, body) }, { headers }),
    refresh: [organizationsKey],
    say: () => "Organization created",
    onDone: ({ id }) => {
      switchOrganization(id);
      void navigate(paths.organization(id));
    },
  });
  const handleSubmit = (): void => {
    const agents = numberFrom(maxAgents);
    const hours = numberFrom(maxHours);
    create.submit({
      name,
      ...(slug === "" ? {} : { slug }),
      description: description.trim() || null,
      billing_email: billingEmail.trim() || null,
      ...(agents === undefined ? {} : { max_concurrent_agents: agents }),
      ...(hours === undefined ? {} : { max_agent_runtime_hours: hours }),
    });
  };
  const check = useSlugCheck({ slug, orgId: null, isNew: true, refusal: create.error });
  const errors = {
    name: create.error?.field("name"),
    slug: check.error,
    description: create.error?.field("description"),
    billingEmail: create.error?.field("billing_email"),
    maxAgents: create.error?.field("max_concurrent_agents"),
    maxHours: create.error?.field("max_agent_runtime_hours"),
  };

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
        <Form
          label="New Organization"
          onSubmit={handleSubmit}
          error={create.error}
          isShownAtField={Object.values(errors).some(Boolean)}
        >
          <TextField label="Name" name="name" value={name} onChange={setName} error={errors.name} />
          <TextField
            label="Slug"
            name="slug"
            value={slug}
            onChange={setSlug}
            error={errors.slug}
            className="font-mono text-[13px]"
            hint={
              <SlugHint slug={slug} check={check} onTake={setSlug}>
                Part of addresses, such as the one git clones from. Suggested from the name.
              </SlugHint>
            }
          />
          <SlugStatus slug={slug} check={check} />
          <TextArea
            label="Description"
            name="description"
            optional
            value={description}
            onChange={setDescription}
            error={errors.description}
          />
          <TextField
            label="Billing e-mail"
            name="billing_email"
            type="email"
            optional
            value={billingEmail}
            onChange={setBillingEmail}
            error={errors.billingEmail}
          />
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label="Max Concurrent Agents"
              name="max_concurrent_agents"
              inputMode="numeric"
              optional
              placeholder="Default"
              value={maxAgents}
              onChange={setMaxAgents}
              error={errors.maxAgents}
            />
            <TextField
              label="Max Runtime Hours"
              name="max_agent_runtime_hours"
              inputMode="decimal"
              optional
              placeholder="Default"
              hint="In a calendar month"
              value={maxHours}
              onChange={setMaxHours}
              error={errors.maxHours}
            />
          </div>
          <div className="flex justify-end gap-2">
            <Link {...paths.organizations()} className={buttonClass()}>
              Cancel
            </Link>
            <Button type="submit" variant="primary" pending={create.pending}>
              Create Organization
            </Button>
          </div>
        </Form>
      </Card>
    </Page>
  );
}
